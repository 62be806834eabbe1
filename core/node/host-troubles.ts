import { FksError } from "../errors.ts";
import type { HostTrouble } from "../fly/machine-protocol.ts";
import { type Clock, sleep } from "../ports/clock.ts";
import type { Log } from "../ports/log.ts";
import type { MachineProtocol } from "../ports/machine-protocol.ts";
import type { NodeEvents, PodEvent } from "../ports/pods.ts";

const LOOK_MS = 60_000;

interface HostTroublesDeps {
  readonly protocol: Pick<MachineProtocol, "troubles">;
  /** All of them stand on that host. */
  readonly nodes: readonly string[];
  readonly nodeEvents: NodeEvents;
  readonly clock: Clock;
  readonly log: Log;
}

/** Tells every Node what the host of the Machines has trouble with, until `signal` aborts. */
export async function tellHostTroubles(
  { protocol, nodes, nodeEvents, clock, log }: HostTroublesDeps,
  signal: AbortSignal,
): Promise<void> {
  let toldAtMs = Number.NEGATIVE_INFINITY;
  while (!signal.aborted) {
    try {
      const troubles = await protocol.troubles(signal);
      for (const event of troubles.map(eventFor)) {
        if (Date.parse(event.at) <= toldAtMs) continue;
        await Promise.all(nodes.map((node) => nodeEvents.record(node, event, signal)));
      }
      toldAtMs = Math.max(toldAtMs, ...troubles.map(({ at }) => Date.parse(at)));
    } catch (err) {
      if (signal.aborted) return;
      if (!(err instanceof FksError)) throw err;
      log.warn("troubles of the host not told", { err, retry_in_ms: LOOK_MS });
    }
    await sleep(clock, LOOK_MS, signal).catch(() => {});
  }
}

/** Its id makes telling it again, after a restart, no second Event. */
function eventFor({ reason, message, at }: HostTrouble): PodEvent {
  return { id: `${reason}-${Date.parse(at)}`, type: "Warning", reason, message, at };
}

import { followForever } from "../controller/follow.ts";
import type { Clock } from "../ports/clock.ts";
import type { Log } from "../ports/log.ts";
import type { MachineProtocol } from "../ports/machine-protocol.ts";
import type { Source } from "../ports/route-tables.ts";

interface MachineSourcesOptions {
  readonly protocol: Pick<MachineProtocol, "watch">;
  readonly onChange: () => void;
  readonly clock: Clock;
  readonly log: Log;
}

export interface MachineSources {
  /** The Machines as they were seen last, each with the Node that is its region. */
  all(): readonly Source[];
  /** Follows the Machines until `signal` aborts. */
  run(signal: AbortSignal): Promise<void>;
}

/** On which Node each Machine is, by the Machines' change stream. */
export function machineSources(options: MachineSourcesOptions): MachineSources {
  const { protocol, onChange, clock, log } = options;
  let sources = new Map<string, Source>();

  /** One connection; a new one tells everything anew, so nothing of the old is kept. */
  async function follow(onSynced: () => void, signal: AbortSignal): Promise<void> {
    const seen = new Map<string, Source>();
    for await (const change of protocol.watch(signal)) {
      if (change.type === "ping") continue;
      if (change.type === "machine") {
        const { id, private_ip: address, region: node } = change.machine;
        const known = seen.get(id);
        if (known?.address === address && known.node === node) continue;
        seen.set(id, { address, node });
      } else if (change.type === "gone") seen.delete(change.id);
      else {
        sources = seen;
        onSynced();
      }
      if (sources === seen) onChange();
    }
  }

  return {
    all: () => [...sources.values()],
    run: (signal) =>
      followForever(
        {
          follow,
          onLost: (err) =>
            log.debug("change stream lost, Machines are where they were seen last", { err }),
          clock,
        },
        signal,
      ),
  };
}

import type { Pod } from "../kube/pod.ts";
import { statusesOf } from "../pod/container-roles.ts";
import { type Clock, sleep } from "../ports/clock.ts";
import type { KeptLogs } from "../ports/kept-logs.ts";
import type { Log } from "../ports/log.ts";
import type { ContainerView } from "./exec-target.ts";

const LOOK_MS = 10_000;
const PREFIX = "fks://";

/** The Machine that this container ran in, as its id tells; undefined when it never ran. Pure. */
export function machineIdOf({ containerID = "", ...view }: ContainerView): string | undefined {
  const ids = [containerID, ...[view.state, view.lastState].map(endedIdIn)];
  const id = ids.find((one) => one.startsWith(PREFIX));
  return id?.slice(PREFIX.length).split("-")[0];
}

function endedIdIn(state: ContainerView["state"]): string {
  return state?.terminated?.containerID ?? "";
}

/** Those of `kept` that no Pod's status tells of: their Pods are gone. Pure. */
export function forgottenAmong(
  kept: readonly string[],
  pods: readonly Pod[] | undefined,
): readonly string[] {
  if (pods === undefined) return [];
  const told = new Set(pods.flatMap((pod) => statusesOf(pod).map(machineIdOf)));
  return kept.filter((machineId) => !told.has(machineId));
}

interface KeptLogsDeps {
  readonly keptLogs: KeptLogs;
  /** Every Pod of ours there is; undefined as long as nobody knows. */
  readonly pods: () => readonly Pod[] | undefined;
  readonly clock: Clock;
  readonly log: Log;
}

/** Every ten seconds logs go whose Pods are gone, until `signal` aborts. */
export async function forgetLogs(deps: KeptLogsDeps, signal: AbortSignal): Promise<void> {
  const { keptLogs, pods, clock, log } = deps;
  while (!signal.aborted) {
    try {
      const kept = await keptLogs.list(signal);
      // Read after the list: a Machine of it was there before, and so was its Pod.
      for (const id of forgottenAmong(kept, pods())) await keptLogs.forget(id, signal);
    } catch (err) {
      if (!signal.aborted) log.warn("logs of gone Pods stay", { err, retry_in_ms: LOOK_MS });
    }
    await sleep(clock, LOOK_MS, signal).catch(() => {});
  }
}

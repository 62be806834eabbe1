/** A process starts: what the store says and what is on this host become one record. */
import { containerExited, containerStarted, withoutSignals } from "./container-life.ts";
import { type ContainerRecord, containerOf, type MachineRecord, withContainer } from "./record.ts";
import type { ContainerId, FoundContainer } from "./runtime/runtime.ts";

export interface Adoption {
  readonly record: MachineRecord;
  /** At least one of its containers runs: its network is there. */
  readonly isRunning: boolean;
  /** Started by nobody we know of: to be killed and released. */
  readonly strays: readonly ContainerId[];
}

/** A stop signal that was written down may not have been sent: it is sent again. */
function signalledAnew(record: MachineRecord, name: string): MachineRecord {
  const container = containerOf(record, name);
  if (container?.signalledMs === undefined) return record;
  return withContainer(record, withoutSignals(container));
}

const UNKNOWN_EXIT_CODE = 137;
const UNKNOWN_MESSAGE = "The container could not be located when the Machines API was started";

/**
 * Running containers are adopted, ended ones get their exit, missing ones an unknown one, so that
 * the restart policy applies; a start that never came about is tried anew. Pure.
 */
export function adoptionFor(
  record: MachineRecord,
  found: readonly FoundContainer[],
  nowMs: number,
): Adoption {
  const isKnown = ({ name, attempt }: ContainerId): boolean =>
    record.containers.some(
      (container) =>
        container.name === name && container.attempt === attempt && isUp(container.phase),
    );
  const strays = found.filter(({ id, state }) => state === "running" && !isKnown(id));
  const adopted = record.containers
    .filter(({ phase }) => isUp(phase))
    .reduce((so, container) => {
      const match = found.find(
        ({ id }) => id.name === container.name && id.attempt === container.attempt,
      );
      return containerFound(so, container, match, nowMs);
    }, record);
  const isRunning = found.some(({ id, state }) => state === "running" && isKnown(id));
  return { record: adopted, isRunning, strays: strays.map(({ id }) => id) };
}

const isUp = (phase: ContainerRecord["phase"]): boolean =>
  phase === "starting" || phase === "running";

/** What the host says of one container that should be up. */
export function containerFound(
  record: MachineRecord,
  container: ContainerRecord,
  found: FoundContainer | undefined,
  nowMs: number,
): MachineRecord {
  const { name, phase } = container;
  if (found === undefined && phase === "starting") {
    return withContainer(record, { ...container, phase: "pending" });
  }
  const started = found === undefined ? record : containerStarted(record, name, found.startedAtMs);
  if (found?.state === "running") return signalledAnew(started, name);
  if (found?.exit !== undefined) return containerExited(started, name, found.exit);
  const end = { exitCode: UNKNOWN_EXIT_CODE, oomKilled: false, atMs: nowMs };
  return containerExited(started, name, end, "ContainerStatusUnknown", UNKNOWN_MESSAGE);
}

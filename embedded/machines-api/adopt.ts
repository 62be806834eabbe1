/** A process starts: what the store says and what is on this host become one record. */
import type { Conducts } from "./conduct.ts";
import { signalledAnew } from "./container-ending.ts";
import { containerExited, containerStarted, type Ended } from "./container-life.ts";
import { type ContainerRecord, containerOf, type MachineRecord, withContainer } from "./record.ts";
import type { ContainerId, FoundContainer } from "./runtime/runtime.ts";

export interface Adoption {
  readonly record: MachineRecord;
  /** At least one of its containers runs: its network is there. */
  readonly isRunning: boolean;
  /** Started by nobody we know of: to be killed and released. */
  readonly strays: readonly ContainerId[];
}

/** What is on this host, with what an ended one had to say. */
export type Found = FoundContainer & { readonly exit?: Ended };

/** Steps towards its end that were written down may not have been taken: they are taken again. */
function endingAnew(record: MachineRecord, name: string): MachineRecord {
  const container = containerOf(record, name);
  if (container?.signalledMs === undefined && container?.preStop === undefined) return record;
  return withContainer(record, signalledAnew(container));
}

const UNKNOWN_END = {
  exitCode: 137,
  oomKilled: false,
  reason: "ContainerStatusUnknown",
  message: "The container could not be located when the Machines API was started",
} as const;

/**
 * Running containers are adopted, ended ones get their exit, missing ones an unknown one, so that
 * the restart policy applies; a start that never came about is tried anew. Pure.
 */
export function adoptionFor(
  record: MachineRecord,
  found: readonly Found[],
  nowMs: number,
  conducts: Conducts = new Map(),
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
      return containerFound(so, container, match, conducts, nowMs);
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
  found: Found | undefined,
  conducts: Conducts,
  nowMs: number,
): MachineRecord {
  const { name, phase } = container;
  if (found === undefined && phase === "starting" && container.launchedMs === undefined) {
    return withContainer(record, { ...container, phase: "pending" });
  }
  const conduct = conducts.get(name);
  const started =
    found === undefined ? record : containerStarted(record, name, found.startedAtMs, conduct);
  if (found?.state === "running") return endingAnew(started, name);
  const unknown = { ...UNKNOWN_END, atMs: nowMs };
  return containerExited(started, name, found?.exit ?? unknown, conduct);
}

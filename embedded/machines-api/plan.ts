import { configOf, policyOf } from "./policy.ts";
import { type ContainerRecord, containerOf, type MachineRecord } from "./record.ts";
import { stopOf } from "./stop-order.ts";

/** One effect on the host or one change of the record. Steps with one `key` never run together. */
export type Step =
  | { readonly do: "launch-first"; readonly key: "" }
  | { readonly do: "prepare"; readonly key: "" }
  | { readonly do: "remove"; readonly key: "" }
  | { readonly do: "run"; readonly key: string }
  | { readonly do: "back-off"; readonly key: string }
  | { readonly do: "look"; readonly key: string }
  | { readonly do: "release"; readonly key: string; readonly attempt: number }
  | {
      readonly do: "signal";
      readonly key: string;
      readonly signal: string;
      readonly isKill: boolean;
    };

/** What the record does not say. */
export interface Surroundings {
  readonly nowMs: number;
  /** This process saw the Machine's network made. */
  readonly isPrepared: boolean;
  readonly hasBundle: boolean;
  /** Stop signals of the images, by container. */
  readonly imageSignals: ReadonlyMap<string, string>;
}

export interface Plan {
  readonly steps: readonly Step[];
  /** When to look again though nothing happened. */
  readonly wakeAtMs?: number;
}

/** Every step that may be taken for this Machine now. Pure. */
export function planFor(record: MachineRecord, around: Surroundings): Plan {
  const { state } = record;
  if (state === "destroyed") return { steps: [] };
  if (state === "destroying") return { steps: [{ do: "remove", key: "" }] };
  if (state === "created") return { steps: [{ do: "launch-first", key: "" }] };

  const wants = record.containers.map((container) => wantOf(record, container, around));
  const steps = wants.flatMap(({ step }) => (step === undefined ? [] : [step]));
  const wakes = wants.flatMap(({ atMs }) => (atMs === undefined ? [] : [atMs]));
  if (mayRun(record) && !around.isPrepared) steps.push({ do: "prepare", key: "" });
  return wakes.length === 0 ? { steps } : { steps, wakeAtMs: Math.min(...wakes) };
}

/** The next step of one container, or when there may be one though nothing happens. */
export interface Want {
  readonly step?: Step;
  readonly atMs?: number;
}

function wantOf(record: MachineRecord, container: ContainerRecord, around: Surroundings): Want {
  const { name: key } = container;
  const attempt = container.unreleased[0];
  if (attempt !== undefined) return { step: { do: "release", key, attempt } };
  // Nobody is starting it any more: the outcome was lost on its way here.
  if (container.phase === "starting") return { step: { do: "look", key } };
  if (container.phase === "running") {
    return record.stopping === undefined ? {} : stopOf(record, container, around);
  }
  if (container.phase !== "pending" || !mayRun(record)) return {};
  if (container.next !== undefined) {
    const isDue = container.next.atMs <= around.nowMs;
    return isDue ? { step: { do: "back-off", key } } : { atMs: container.next.atMs };
  }
  if (container.notBeforeMs > around.nowMs) return { atMs: container.notBeforeMs };
  const waits = policyOf(record.config).awaitsBundle && !around.hasBundle;
  if (waits || !around.isPrepared || !isUnblocked(record, container)) return {};
  return { step: { do: "run", key } };
}

/** States in which containers are started. */
function mayRun({ state, stopping }: MachineRecord): boolean {
  return (state === "starting" || state === "started") && stopping === undefined;
}

/** All that the container depends on has happened; what ran once is not held back again. */
function isUnblocked(record: MachineRecord, container: ContainerRecord): boolean {
  if (container.startedMs !== undefined) return true;
  return (configOf(record, container.name)?.depends_on ?? []).every(({ name, condition }) => {
    const other = containerOf(record, name);
    if (other === undefined) return true;
    if (condition === "exited_successfully") {
      return other.phase === "done" && other.exit?.exitCode === 0;
    }
    return other.hasStarted;
  });
}

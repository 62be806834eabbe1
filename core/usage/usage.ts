import type { ContainerUsage, MachineRef, MachineUsage } from "../fly/machine-protocol.ts";
import type { Pod } from "../kube/pod.ts";

/** A container younger than this has no rate that says anything about it. */
const RATE_MIN_MS = 10_000;

/** What all Machines used at one moment, by `app/id`. */
export interface Sample {
  readonly atMs: number;
  readonly machines: ReadonlyMap<string, MachineUsage>;
}

/** A Pod and its Machine. */
export interface Placed {
  readonly pod: Pod;
  readonly machine: MachineRef;
}

export interface PodUsage {
  readonly pod: Pod;
  readonly atMs: number;
  readonly containers: readonly ContainerReading[];
  readonly volumes: MachineUsage["volumes"];
  readonly network?: NonNullable<MachineUsage["network"]>;
}

export interface ContainerReading extends ContainerUsage {
  /** Billionths of a core, on average over `windowMs`; absent while that is not known. */
  readonly rate?: { readonly nanoCores: number; readonly windowMs: number };
}

export interface NodeUsage {
  readonly name: string;
  readonly atMs: number;
  /** Since when CPU time is counted. */
  readonly sinceMs: number;
  /** Of all that ran on the Node since then. */
  readonly cpuNanoseconds: number;
  readonly pods: readonly PodUsage[];
}

export function sampleOf(usages: readonly MachineUsage[], atMs: number): Sample {
  return { atMs, machines: new Map(usages.map((usage) => [keyOf(usage), usage])) };
}

/** What each Pod with a Machine uses; rates are against the `earlier` sample. Pure. */
export function podUsages(
  placed: readonly Placed[],
  sample: Sample,
  earlier: Sample | undefined,
): readonly PodUsage[] {
  return placed.flatMap(({ pod, machine }) => {
    const usage = sample.machines.get(keyOf(machine));
    if (usage === undefined) return [];
    const before = earlier?.machines.get(keyOf(machine));
    return [
      {
        pod,
        atMs: Date.parse(usage.at),
        containers: usage.containers.map((container) => readingOf(container, usage, before)),
        volumes: usage.volumes,
        ...(usage.network === undefined ? {} : { network: usage.network }),
      },
    ];
  });
}

function readingOf(
  container: ContainerUsage,
  { at }: MachineUsage,
  before: MachineUsage | undefined,
): ContainerReading {
  const then = sameRun(container, before);
  const sinceMs = Date.parse(then && before ? before.at : container.startedAt);
  const windowMs = Date.parse(at) - sinceMs;
  if (windowMs < RATE_MIN_MS) return container;
  const usedNanoseconds = container.cpuNanoseconds - (then?.cpuNanoseconds ?? 0);
  const nanoCores = Math.max(0, Math.round((usedNanoseconds * 1_000) / windowMs));
  return { ...container, rate: { nanoCores, windowMs } };
}

/** The CPU time that was used since `earlier`, container runs that are new wholly. Pure. */
export function usedSince(usage: MachineUsage, earlier: MachineUsage | undefined): number {
  return usage.containers.reduce((sum, container) => {
    const then = sameRun(container, earlier)?.cpuNanoseconds ?? 0;
    return sum + Math.max(0, container.cpuNanoseconds - then);
  }, 0);
}

/** The same run of the same container; its numbers only grow. */
function sameRun(
  { name, startedAt }: ContainerUsage,
  earlier: MachineUsage | undefined,
): ContainerUsage | undefined {
  return earlier?.containers.find((then) => then.name === name && then.startedAt === startedAt);
}

export function keyOf({ app, id }: MachineRef): string {
  return `${app}/${id}`;
}

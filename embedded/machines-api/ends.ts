import { adoptionFor, type Found } from "./adopt.ts";
import type { Ended } from "./container-life.ts";
import { lastWords } from "./last-words.ts";
import type { MachineRecord } from "./record.ts";
import type { ContainerExit, FoundContainer } from "./runtime/runtime.ts";
import type { Slot } from "./slot.ts";
import type { Parts } from "./work.ts";

/** How a container ended, with what it had to say. */
export type SpokenEnd = ContainerExit & Ended;

export interface Ends {
  readonly signal: AbortSignal;
  /** Asks the runtime for the last words only where the bundle wants them. */
  withWords(exit: ContainerExit): SpokenEnd | Promise<SpokenEnd>;
  all(found: readonly FoundContainer[]): Promise<readonly Found[]>;
}

export function endsOf(
  { runtime, bundles, clock, log }: Pick<Parts, "runtime" | "bundles" | "clock" | "log">,
  signal: AbortSignal,
): Ends {
  function withWords(exit: ContainerExit): SpokenEnd | Promise<SpokenEnd> {
    const wanted = bundles.conducts(exit.id.machineId).get(exit.id.name)?.terminationMessage;
    if (wanted === undefined) return exit;
    return lastWords({ runtime, clock, log }, exit, wanted, signal).then((message) => ({
      ...exit,
      message,
    }));
  }

  return {
    signal,
    withWords,
    all: (found) =>
      Promise.all(
        found.map(async ({ exit, ...one }) => ({
          ...one,
          ...(exit === undefined ? {} : { exit: await withWords(exit) }),
        })),
      ),
  };
}

/** What this host knows of a Machine becomes part of its record; what nobody knows of is killed. */
export async function adoptMachine(
  {
    runtime,
    bundles,
    clock,
    ends,
  }: Pick<Parts, "runtime" | "bundles" | "clock"> & { readonly ends: Ends },
  slot: Slot,
  found: readonly FoundContainer[],
): Promise<MachineRecord> {
  const spoken = await ends.all(found);
  const conducts = bundles.conducts(slot.record.id);
  const { record, isRunning, strays } = adoptionFor(slot.record, spoken, clock.now(), conducts);
  if (isRunning) slot.preparation = { wanted: 1, made: 1 };
  for (const id of strays) {
    await runtime.signal(id, "SIGKILL", ends.signal);
    await runtime.release(id, ends.signal);
  }
  return record;
}

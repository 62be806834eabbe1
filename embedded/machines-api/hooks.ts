/** Runs a container's hooks, and writes what came of them. */
import { messageOf } from "#core/errors.ts";
import type { Handler } from "#core/fly/machine-protocol.ts";
import {
  containerHookFailed,
  containerPreStopDone,
  containerPreStopRuns,
} from "./container-ending.ts";
import { containerStarted } from "./container-life.ts";
import { type ContainerRecord, containerOf } from "./record.ts";
import type { Work } from "./work.ts";

/** Runs the hook inside what is left of the grace; the stop signal follows whatever comes of it. */
export async function runPreStop(work: Work, name: string, forMs: number): Promise<void> {
  const { slot, change, signal } = work;
  const hook = work.bundles.conducts(slot.record.id).get(name)?.hooks?.preStop;
  const container = containerOf(slot.record, name);
  if (hook === undefined || container === undefined) return;
  change((record, { nowMs }) => containerPreStopRuns(record, name, nowMs));
  const failure = await outcomeOf(work, container, hook, forMs);
  if (signal.aborted) return;
  change((record, { nowMs }) => containerPreStopDone(record, name, failure !== undefined, nowMs));
}

/** Why a hook failed; undefined when it did not, or when nobody waits for it any more. */
async function outcomeOf(
  work: Work,
  { name, attempt }: ContainerRecord,
  hook: Handler,
  forMs: number | undefined,
): Promise<string | undefined> {
  const { slot, clock, signal } = work;
  const { id: machineId, serial } = slot.record;
  const cut = new AbortController();
  slot.hooks.set(name, cut);
  const over = new AbortController();
  if (forMs !== undefined) {
    const late = (): void => over.abort(new Error("not completed in the grace period"));
    clock.after(forMs, late, cut.signal);
  }
  try {
    const target = { id: { machineId, name, attempt }, address: work.addresses.of(serial) };
    const until = AbortSignal.any([signal, cut.signal, over.signal]);
    const outcome = await work.actions.hook(hook, target, until);
    return outcome.is === "failure" ? outcome.message : undefined;
  } catch (error) {
    return signal.aborted || cut.signal.aborted ? undefined : messageOf(error);
  } finally {
    cut.abort();
    slot.hooks.delete(name);
  }
}

/** Runs the hook of a container whose process was just started; only then it counts as running. */
export async function runPostStart(work: Work, name: string): Promise<void> {
  const { slot, change, signal } = work;
  const conduct = work.bundles.conducts(slot.record.id).get(name);
  const hook = conduct?.hooks?.postStart;
  const container = containerOf(slot.record, name);
  const { launchedMs } = container ?? {};
  if (hook === undefined || container === undefined || launchedMs === undefined) return;
  const failure = await outcomeOf(work, container, hook, undefined);
  if (signal.aborted) return;
  change((record, { nowMs }) =>
    failure === undefined
      ? containerStarted(record, name, launchedMs, conduct)
      : containerHookFailed(record, name, { hook, failure }, nowMs),
  );
}

import { gate } from "./gate.ts";
import { planFor } from "./plan.ts";
import type { Step } from "./plan-types.ts";
import { containerOf } from "./record.ts";
import type { Slot } from "./slot.ts";
import { performStep } from "./steps.ts";
import type { Change, Parts } from "./work.ts";

/** How many containers are made or removed at one time: the host has to breathe. */
const WORK_AT_ONCE = 8;

const RETRY_FIRST_MS = 1_000;
const RETRY_MAX_MS = 60_000;

export interface Worker {
  /** Looks at a Machine soon: what may be done for it is done, one step per container at a time. */
  schedule(slot: Slot): void;
  /** Resolves when the steps under way have ended. */
  settle(): Promise<void>;
}

/** The loop around `planFor`. It never learns why it was woken. */
export function machineWorker(
  parts: Parts,
  changeSlot: (slot: Slot, how: Change) => void,
  signal: AbortSignal,
): Worker {
  const { bundles, clock, log } = parts;
  const running = new Set<Promise<void>>();
  const atOnce = gate(WORK_AT_ONCE);

  function schedule(slot: Slot): void {
    if (slot.isScheduled || signal.aborted) return;
    slot.isScheduled = true;
    queueMicrotask(() => {
      slot.isScheduled = false;
      if (!signal.aborted) act(slot);
    });
  }

  function act(slot: Slot): void {
    const nowMs = clock.now();
    const plan = planFor(slot.record, {
      nowMs,
      isPrepared: slot.preparation.made === slot.preparation.wanted,
      hasBundle: bundles.has(slot.record.id),
      conducts: bundles.conducts(slot.record.id),
      imageSignals: slot.imageSignals,
    });
    cancelOutdated(slot);
    cutHooks(slot, plan.steps);
    let wakeAtMs = plan.wakeAtMs ?? Number.POSITIVE_INFINITY;
    for (const step of plan.steps) {
      if (slot.busy.has(step.key) || (step.do === "remove" && slot.busy.size > 0)) continue;
      const retryAtMs = slot.retries.get(step.key)?.atMs ?? 0;
      if (retryAtMs > nowMs) wakeAtMs = Math.min(wakeAtMs, retryAtMs);
      else take(slot, step);
    }
    wakeAt(slot, wakeAtMs);
  }

  function wakeAt(slot: Slot, atMs: number): void {
    if (slot.timer?.atMs === atMs) return;
    slot.timer?.controller.abort();
    slot.timer = undefined;
    if (atMs === Number.POSITIVE_INFINITY) return;
    const controller = new AbortController();
    slot.timer = { atMs, controller };
    clock.after(
      Math.max(0, atMs - clock.now()),
      () => {
        slot.timer = undefined;
        schedule(slot);
      },
      controller.signal,
    );
  }

  function take(slot: Slot, step: Step): void {
    const controller = new AbortController();
    slot.busy.set(step.key, { step, controller });
    const work = performStep(step, {
      ...parts,
      slot,
      atOnce,
      change: (how) => changeSlot(slot, how),
      signal: AbortSignal.any([signal, controller.signal]),
    })
      .then(() => void slot.retries.delete(step.key))
      .catch((err: unknown) => {
        if (!controller.signal.aborted && !signal.aborted) retryLater(slot, step, err);
      })
      .finally(() => {
        slot.busy.delete(step.key);
        running.delete(work);
        schedule(slot);
      });
    running.add(work);
  }

  function retryLater(slot: Slot, step: Step, err: unknown): void {
    const before = slot.retries.get(step.key)?.delayMs ?? RETRY_FIRST_MS / 2;
    const delayMs = Math.min(before * 2, RETRY_MAX_MS);
    slot.retries.set(step.key, { atMs: clock.now() + delayMs, delayMs });
    const where = { machine: slot.record.id, container: step.key, step: step.do };
    log.warn("step of a machine failed", { ...where, err, retry_in_ms: delayMs });
  }

  return {
    schedule,
    async settle() {
      while (running.size > 0) await Promise.allSettled(running);
    },
  };
}

/** A hook of one that is to stop is not waited for; nor is `preStop` longer than the grace. */
function cutHooks(slot: Slot, steps: readonly Step[]): void {
  for (const [name, hook] of slot.hooks) {
    const doing = slot.busy.get(name)?.step.do;
    const hasEnded = containerOf(slot.record, name)?.launchedMs === undefined;
    const isStopping = doing === "run" && (hasEnded || slot.record.stopping !== undefined);
    const isLate = steps.some((step) => step.key === name && step.do === "signal");
    if (isStopping || (doing === "pre-stop" && isLate)) {
      hook.abort(new Error("nobody waits for it any more"));
    }
  }
}

/** Ends work whose result nobody wants any more: a pull for a Machine that is being stopped. */
function cancelOutdated(slot: Slot): void {
  for (const [key, { step, controller }] of slot.busy) {
    const phase = containerOf(slot.record, key)?.phase;
    const isUnwanted =
      (step.do === "run" && phase !== "pending" && phase !== "starting") ||
      (step.do === "pre-stop" && phase !== "running");
    const isLate = slot.record.state === "destroying" && step.do !== "remove";
    if (isUnwanted || isLate) controller.abort(new Error("nobody waits for it any more"));
  }
}

import { keyFor } from "../identity.ts";
import type { Step } from "../plan.ts";
import { launchFailedEvent } from "../pod-events.ts";
import { memoryOf } from "../pod-memory.ts";
import { isGone } from "../still-there.ts";
import { type ReconcileDeps, SOON_MS, type Taken, type Turn } from "./turn.ts";

/** Asks the Machine to stop within what is left of its time. */
export async function stop(
  { machines }: ReconcileDeps,
  { world, memory }: Turn,
  step: Extract<Step, { do: "stop" }>,
  signal: AbortSignal,
): Promise<Taken> {
  const { app, machine } = step.machine;
  const timeoutSeconds = Math.max(1, Math.ceil((step.stop.untilMs - world.nowMs) / 1000));
  await machines.stop(app, machine.id, { signal: "SIGTERM", timeoutSeconds }, signal);
  memoryOf(memory, machine.id).stop = step.stop;
  return "next";
}

/** Destroys the Machine and asks whether it is gone. */
export async function destroy(
  { machines, view, teller, log }: ReconcileDeps,
  { world }: Turn,
  step: Extract<Step, { do: "destroy" }>,
  signal: AbortSignal,
): Promise<Taken> {
  const { app, machine } = step.machine;
  const { pod, nowMs } = world;
  if (step.isFailed) {
    teller.tell(pod, launchFailedEvent(`Machine ${machine.id} is ${machine.state}`, nowMs));
  }
  await machines.destroy(app, machine.id, true, signal);
  log.info("machine destroyed", { pod: keyFor(pod), machine: machine.id });
  if (!(await isGone(machines, app, machine.id, signal))) return { recheckInMs: SOON_MS };
  view.drop(machine.id);
  return "next";
}

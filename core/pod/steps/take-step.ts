import { FksError } from "../../errors.ts";
import type { Step } from "../plan.ts";
import { refusedEvent } from "../pod-events.ts";
import { isGone } from "../still-there.ts";
import { add } from "./add.ts";
import { deliver } from "./deliver.ts";
import { destroy, stop } from "./end.ts";
import { refresh } from "./refresh.ts";
import { prove, takeLaunch } from "./take-launch.ts";
import { type ReconcileDeps, SOON_MS, type Taken, type Turn } from "./turn.ts";

/** Takes one step. Every step may be taken again, also by a later process. */
export async function takeStep(
  deps: ReconcileDeps,
  turn: Turn,
  step: Step,
  signal: AbortSignal,
): Promise<Taken> {
  try {
    return await taken(deps, turn, step, signal);
  } catch (error) {
    return afterFailure(deps, step, error, signal);
  }
}

async function taken(
  deps: ReconcileDeps,
  turn: Turn,
  step: Step,
  signal: AbortSignal,
): Promise<Taken> {
  const { pod, nowMs } = turn.world;
  switch (step.do) {
    case "nothing":
      return step.recheckInMs === undefined ? {} : { recheckInMs: step.recheckInMs };
    case "refuse":
      deps.teller.tell(pod, refusedEvent(step.refused, nowMs));
      return {};
    case "reject":
      // Its status has said all there is to say.
      return {};
    case "launch":
      return takeLaunch(deps, turn, step, signal);
    case "ask-node":
      return askNode(deps, turn, signal);
    case "prove":
      return prove(deps, turn, signal);
    case "admit":
      return "next";
    case "add":
      return add(deps, turn, step, signal);
    case "deliver":
      return deliver(deps, turn, step.machine, undefined, signal);
    case "refresh":
      return refresh(deps, turn, step.machine, signal);
    case "start":
      await deps.machines.start(step.machine.app, step.machine.machine.id, signal);
      return { recheckInMs: SOON_MS };
    case "stop":
      return stop(deps, turn, step, signal);
    case "destroy":
      return destroy(deps, turn, step, signal);
    case "remove":
      await deps.pods.remove(pod, signal);
      return {};
  }
}

/** Asked once: what a Node has let in stays. */
async function askNode(
  { admit }: ReconcileDeps,
  { world, memory }: Turn,
  signal: AbortSignal,
): Promise<Taken> {
  const rejection = await admit?.(world.pod, signal);
  memory.admission = rejection === undefined ? {} : { rejection };
  return "next";
}

/** A Machine in transition is waited for. One that seems gone is asked for by itself: a volume or a
 * container may be what was not found. */
async function afterFailure(
  { machines, view }: ReconcileDeps,
  step: Step,
  error: unknown,
  signal: AbortSignal,
): Promise<Taken> {
  if (!("machine" in step)) throw error;
  if (FksError.is(error, "Conflict")) return { recheckInMs: SOON_MS };
  if (!FksError.is(error, "NotFound")) throw error;
  const { app, machine } = step.machine;
  if (!(await isGone(machines, app, machine.id, signal))) return { recheckInMs: SOON_MS };
  view.drop(machine.id);
  return "next";
}

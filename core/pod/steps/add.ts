import { FksError } from "../../errors.ts";
import { addedContainerFor } from "../bundle.ts";
import { keyFor } from "../identity.ts";
import type { Step } from "../plan.ts";
import { addFailedEvent, mountFailedEvent } from "../pod-events.ts";
import { type ReconcileDeps, refOf, SOON_MS, type Taken, type Turn } from "./turn.ts";

/** For a Machine that takes no further containers: it may be replaced by one that does. */
const REFUSED_MS = 60_000;

/** Puts an ephemeral container into the Machine that runs. */
export async function add(
  { protocol, resolve, apiServer, teller, log }: ReconcileDeps,
  { world, place }: Turn,
  { machine, member }: Extract<Step, { do: "add" }>,
  signal: AbortSignal,
): Promise<Taken> {
  const { pod, nowMs } = world;
  if (protocol === undefined) return {};

  const resolution = await resolve(pod, signal);
  if (!resolution.ok) {
    teller.tell(pod, mountFailedEvent(resolution.missing, nowMs));
    return { recheckInMs: SOON_MS };
  }
  const { hostIP, allocatable } = place;
  const sources = { ...resolution.sources, hostIP, allocatable, apiServer };
  const { name } = member.container;
  const added = addedContainerFor(pod, member, sources, machine.machine);
  try {
    await protocol.addContainer(refOf(machine), name, added, signal);
  } catch (error) {
    const isFinal = FksError.is(error, "InvalidInput") || FksError.is(error, "Unsupported");
    if (!isFinal) throw error;
    teller.tell(pod, addFailedEvent(name, error.message, nowMs));
    return { recheckInMs: REFUSED_MS };
  }
  log.info("container added", { pod: keyFor(pod), container: name });
  return { recheckInMs: SOON_MS };
}

import { bundleFor } from "../bundle.ts";
import type { Sighting } from "../machine-view.ts";
import { mountFailedEvent } from "../pod-events.ts";
import { memoryOf } from "../pod-memory.ts";
import { type Resolution, renewalFor } from "../resolve.ts";
import { type ReconcileDeps, refOf, SOON_MS, type Taken, type Turn } from "./turn.ts";

/** Gives the Machine what its containers wait for; `early` when it is known already. */
export async function deliver(
  deps: ReconcileDeps,
  { world, memory, place }: Turn,
  machine: Sighting,
  early: Resolution | undefined,
  signal: AbortSignal,
): Promise<Taken> {
  const { protocol, resolve, apiServer, teller, clock } = deps;
  const { pod, nowMs } = world;
  if (protocol === undefined) return {};

  const resolution = early ?? (await resolve(pod, signal));
  if (!resolution.ok) {
    teller.tell(pod, mountFailedEvent(resolution.missing, nowMs));
    return { recheckInMs: SOON_MS };
  }
  const sources = { ...resolution.sources, hostIP: place.hostIP, apiServer };
  await protocol.deliver(refOf(machine), bundleFor(pod, sources, machine.machine), signal);

  const own = memoryOf(memory, machine.machine.id);
  own.deliveredAtMs = clock.now();
  own.refreshAtMs = renewalFor(sources.tokens, clock.now());
  return "next";
}

import type { Sighting } from "../machine-view.ts";
import { memoryOf } from "../pod-memory.ts";
import { filesFor, tokenWishesFor } from "../projected-volume.ts";
import { renewalFor } from "../resolve.ts";
import { type ReconcileDeps, refOf, SOON_MS, type Taken, type Turn } from "./turn.ts";

/** Writes new tokens over the old ones while the containers run. */
export async function refresh(
  { protocol, resolve, clock }: ReconcileDeps,
  { world, memory, place }: Turn,
  machine: Sighting,
  signal: AbortSignal,
): Promise<Taken> {
  const { pod } = world;
  if (protocol === undefined) return {};

  const resolution = await resolve(pod, signal);
  if (!resolution.ok) return { recheckInMs: SOON_MS };
  const at = { podIP: machine.machine.private_ip, hostIP: place.hostIP };
  const names = new Set(tokenWishesFor(pod).map(({ volume }) => volume));
  for (const volume of pod.spec.volumes ?? []) {
    if (!names.has(volume.name)) continue;
    const files = filesFor(pod, volume, resolution.sources, at);
    await protocol.writeFiles(refOf(machine), volume.name, files, signal);
  }

  const nowMs = clock.now();
  const nextMs = renewalFor(resolution.sources.tokens, nowMs) ?? Number.POSITIVE_INFINITY;
  memoryOf(memory, machine.machine.id).refreshAtMs = Math.max(nextMs, nowMs + SOON_MS);
  return "next";
}

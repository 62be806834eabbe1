import type { Bundle } from "../../fly/machine-protocol.ts";
import { type BundleSources, bundleFor } from "../bundle.ts";
import { takenIn } from "../bundle-size.ts";
import { type Delivered, deliveredFor, nextLookMs, versionFor } from "../delivered.ts";
import { skippedNamesFor } from "../env.ts";
import type { Sighting } from "../machine-view.ts";
import { invalidNamesEvent, mountFailedEvent, pullSecretsEvent } from "../pod-events.ts";
import { memoryOf } from "../pod-memory.ts";
import { pullCredentialsFor } from "../pull-credentials.ts";
import type { Resolution, ResolvedSources } from "../resolve.ts";
import { type ReconcileDeps, refOf, type Taken, type Turn } from "./turn.ts";
import { waitForVolume } from "./wait-for-volume.ts";

/** Gives the Machine what its containers wait for; `early` when it is known already. */
export async function deliver(
  deps: ReconcileDeps,
  turn: Turn,
  machine: Sighting,
  early: Resolution | undefined,
  signal: AbortSignal,
): Promise<Taken> {
  const { protocol, resolve } = deps;
  const { pod, nowMs } = turn.world;
  if (protocol === undefined) return {};

  const own = memoryOf(turn.memory, machine.machine.id);
  const resolution = early ?? (await resolve(pod, signal));
  if (!resolution.ok) {
    return waitForVolume(deps, turn, mountFailedEvent(resolution.missing, nowMs));
  }
  const parcel = parcelFor(deps, turn, machine, resolution.sources);
  await protocol.deliver(refOf(machine), parcel.bundle, signal);
  own.deliveredAtMs = deps.clock.now();
  delete own.mountFailures;
  remember(deps, turn, machine, parcel.delivered, resolution.sources);
  return "next";
}

interface Parcel {
  readonly bundle: Bundle;
  readonly delivered: Delivered;
}

/** The bundle of a Pod with what will be remembered of it; tells of names that were skipped. */
export function parcelFor(
  { apiServer, teller }: ReconcileDeps,
  { world: { pod, nowMs }, place }: Turn,
  { machine }: Sighting,
  resolved: ResolvedSources,
): Parcel {
  const { hostIP, allocatable } = place;
  const sources: BundleSources = { ...resolved, hostIP, allocatable, apiServer };
  const bundle = takenIn(bundleFor(pod, sources, machine));
  for (const skipped of skippedNamesFor(pod, { ...sources, podIP: machine.private_ip })) {
    teller.tell(pod, invalidNamesEvent(skipped, nowMs));
  }
  const { unusable } = pullCredentialsFor(pod, resolved);
  if (unusable.length > 0) teller.tell(pod, pullSecretsEvent(unusable, nowMs));
  return { bundle, delivered: deliveredFor(bundle, versionFor(pod, resolved)) };
}

/** Once the Machine has it all. */
export function remember(
  { clock }: ReconcileDeps,
  { world, memory }: Turn,
  { machine }: Sighting,
  delivered: Delivered,
  sources: ResolvedSources,
): void {
  const own = memoryOf(memory, machine.id);
  own.delivered = delivered;
  own.refreshAtMs = nextLookMs(world.pod, delivered, sources, clock.now());
}

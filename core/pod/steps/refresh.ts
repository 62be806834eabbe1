import { type Delivered, differenceOf, versionFor } from "../delivered.ts";
import type { Sighting } from "../machine-view.ts";
import { mountFailedEvent } from "../pod-events.ts";
import { memoryOf } from "../pod-memory.ts";
import type { ResolvedSources } from "../resolve.ts";
import { parcelFor, remember } from "./deliver.ts";
import { type ReconcileDeps, refOf, SOON_MS, type Taken, type Turn } from "./turn.ts";

/** A volume that lost its source keeps its files; when that is looked for again. */
const LOST_LOOK_MS = 60_000;

/** Brings what changed since the last delivery into the Machine while its containers run. */
export async function refresh(
  deps: ReconcileDeps,
  turn: Turn,
  machine: Sighting,
  signal: AbortSignal,
): Promise<Taken> {
  const { protocol, resolve, teller, clock } = deps;
  const { world, memory } = turn;
  if (protocol === undefined) return {};

  const own = memoryOf(memory, machine.machine.id);
  const resolution = await resolve(world.pod, signal);
  if (!resolution.ok) {
    teller.tell(world.pod, mountFailedEvent(resolution.missing, world.nowMs));
    own.refreshAtMs = clock.now() + LOST_LOOK_MS;
    return "next";
  }

  const { sources } = resolution;
  const isSame = own.delivered?.version === versionFor(world.pod, sources);
  const delivered =
    isSame && own.delivered ? own.delivered : await send(deps, turn, machine, sources, signal);
  remember(deps, turn, machine, delivered, sources);
  own.refreshAtMs = Math.max(own.refreshAtMs ?? 0, clock.now() + SOON_MS);
  return "next";
}

/** Only what differs: a program that watches its files is not woken for nothing. */
async function send(
  deps: ReconcileDeps,
  turn: Turn,
  machine: Sighting,
  sources: ResolvedSources,
  signal: AbortSignal,
): Promise<Delivered> {
  const { protocol } = deps;
  const known = memoryOf(turn.memory, machine.machine.id).delivered;
  const { bundle, delivered } = parcelFor(deps, turn, machine, sources);
  const difference = differenceOf(known, delivered);
  if (difference.send === "bundle") await protocol?.deliver(refOf(machine), bundle, signal);
  for (const name of difference.send === "volumes" ? difference.names : []) {
    await protocol?.writeFiles(refOf(machine), name, bundle.volumes[name] ?? [], signal);
  }
  return delivered;
}

import { FksError } from "../../errors.ts";
import type { MachineConfig } from "../../fly/machine.ts";
import type { Pod } from "../../kube/pod.ts";
import { withClaimedVolumes } from "../claims.ts";
import { isFinal, membersOf, statusesOf } from "../container-roles.ts";
import { keyFor } from "../identity.ts";
import { RESTARTS_KEY } from "../machine-config.ts";
import type { Sighting } from "../machine-view.ts";
import { hasRun, type Step } from "../plan.ts";
import {
  approximatedEvent,
  launchFailedEvent,
  mountFailedEvent,
  sandboxChangedEvent,
  volumeHeldEvent,
} from "../pod-events.ts";
import type { Resolution } from "../resolve.ts";
import { deliver } from "./deliver.ts";
import { launch } from "./launch.ts";
import { type ReconcileDeps, SOON_MS, type Taken, type Turn } from "./turn.ts";
import { waitForVolume } from "./wait-for-volume.ts";

type LaunchStep = Extract<Step, { do: "launch" }>;

/** For one whose turn was given to a Pod that did not take it. */
const WAITING_MS = 10_000;

/**
 * Launches the Pod's Machine and, when all goes well, delivers its bundle in the same turn. While too
 * many others are being launched the Pod waits without a worker.
 */
export async function takeLaunch(
  deps: ReconcileDeps,
  turn: Turn,
  step: LaunchStep,
  signal: AbortSignal,
): Promise<Taken> {
  const { pod } = turn.world;
  const { namespace } = pod.metadata;
  if (!deps.gate.enter(namespace, keyFor(pod))) return { recheckInMs: WAITING_MS };
  try {
    return await launchNow(deps, turn, step, signal);
  } finally {
    deps.gate.leave(namespace);
  }
}

async function launchNow(
  deps: ReconcileDeps,
  turn: Turn,
  { translation }: LaunchStep,
  signal: AbortSignal,
): Promise<Taken> {
  const { view, protocol, teller, log } = deps;
  const { world, memory, place } = turn;
  const { pod, nowMs } = world;
  const { isAmbiguous } = memory;
  const claims = await deps.resolveClaims(pod, place.region, signal);
  if (!claims.ok) return waitForVolume(deps, turn, mountFailedEvent(claims.missing, nowMs));
  const config = withClaimedVolumes(
    forAnotherTime(translation.config, pod),
    claims.volumes,
    protocol !== undefined,
  );

  // A cut connection, a deadline: whatever ends the call leaves the question open.
  memory.isAmbiguous = true;
  const launching = launch(deps, { pod, config, region: place.region, isAmbiguous }, signal);
  const [launched, resolution] = await Promise.all([
    told(deps, pod, launching),
    protocol === undefined ? undefined : early(deps, pod, signal),
  ]);
  if (launched.outcome === "taken") {
    teller.tell(pod, launchFailedEvent(`the Machine's name is taken by ${launched.why}`, nowMs));
    return { recheckInMs: SOON_MS };
  }

  memory.isAmbiguous = false;
  if (launched.outcome === "held") {
    const names = [...claims.volumes.keys()];
    return waitForVolume(deps, turn, volumeHeldEvent(names, launched.why, nowMs));
  }
  delete memory.machine.mountFailures;
  const { sighting } = launched;
  view.put(sighting);
  if (hasRun(pod)) teller.tell(pod, sandboxChangedEvent(sighting.machine.id, nowMs));
  const event = approximatedEvent(translation.approximated, nowMs);
  if (event !== undefined) teller.tell(pod, event);
  log.info(`machine ${launched.outcome}`, { pod: keyFor(pod), machine: sighting.machine.id });
  const isFresh = launched.outcome === "launched" && resolution?.ok === true;
  return isFresh ? deliver(deps, turn, sighting, resolution, signal) : "next";
}

/** Asks the Machines API whether it has a Machine of this Pod that nobody told of. */
export async function prove(deps: ReconcileDeps, turn: Turn, signal: AbortSignal): Promise<Taken> {
  for (const machine of await launchedFor(deps, turn.world.pod, signal)) deps.view.put(machine);
  turn.memory.isAmbiguous = false;
  return "next";
}

/** None where the namespace has no App: it never had a Machine then. */
async function launchedFor(
  { machines, namespaceApps, clusterUid }: ReconcileDeps,
  { metadata: { namespace, uid } }: Pod,
  signal: AbortSignal,
): Promise<readonly Sighting[]> {
  const app = await namespaceApps.find(namespace, signal);
  if (app === undefined) return [];
  try {
    const stamps = { fks_cluster: clusterUid, fks_pod_uid: uid };
    const found = await machines.list(app, stamps, signal);
    return found.filter(({ state }) => state !== "destroyed").map((machine) => ({ app, machine }));
  } catch (error) {
    if (FksError.is(error, "NotFound")) return [];
    throw error;
  }
}

/** A refusal by the Machines API is the Pod's business; a lost connection is not. */
async function told<T>(
  { teller, clock }: ReconcileDeps,
  pod: Pod,
  launching: Promise<T>,
): Promise<T> {
  try {
    return await launching;
  } catch (error) {
    const isPassing = FksError.is(error, "Unavailable") || FksError.is(error, "RateLimited");
    if (!isPassing && error instanceof Error) {
      teller.tell(pod, launchFailedEvent(error.message, clock.now()));
    }
    throw error;
  }
}

/** While the Machine is being made; what fails here is asked for again when it is needed. */
async function early(
  { resolve }: ReconcileDeps,
  pod: Pod,
  signal: AbortSignal,
): Promise<Resolution | undefined> {
  try {
    return await resolve(pod, signal);
  } catch (error) {
    if (error instanceof FksError) return undefined;
    throw error;
  }
}

/** What ran before goes on counting, and what has ended well is not run again. */
function forAnotherTime(config: MachineConfig, pod: Pod): MachineConfig {
  const statuses = statusesOf(pod);
  const starts = statuses.flatMap(({ name, restartCount, state, lastState, containerID = "" }) => {
    const hasEnded = (state?.terminated ?? lastState?.terminated) !== undefined;
    return containerID === "" ? [] : [`${name}=${restartCount + (hasEnded ? 1 : 0)}`];
  });
  if (starts.length === 0) return config;

  // Init containers run again before what is left of the others.
  const done = membersOf(pod).filter((member) => {
    const status = statuses.find(({ name }) => name === member.container.name);
    return member.role === "main" && status !== undefined && isFinal(pod, member, status);
  });
  return {
    ...config,
    metadata: { ...config.metadata, [RESTARTS_KEY]: starts.join(",") },
    containers: (config.containers ?? []).filter(
      ({ name }) => !done.some(({ container }) => container.name === name),
    ),
  };
}

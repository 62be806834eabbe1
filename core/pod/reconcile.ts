import { sha256 } from "../app/sha256.ts";
import type { Outcome, Reconcile } from "../controller/controller.ts";
import type { Pod } from "../kube/pod.ts";
import { hasSources, podPrintOf } from "./delivered.ts";
import { partsOf } from "./identity.ts";
import { machineConfigFor, type Translation } from "./machine-config.ts";
import type { Sighting } from "./machine-view.ts";
import { awaitsBundle, planFor } from "./plan.ts";
import { memoryOf, type PodMemory, podMemories, withSentStatus } from "./pod-memory.ts";
import { type Reported, reportEvents, reportStatus } from "./report-status.ts";
import { takeStep } from "./steps/take-step.ts";
import { LAG_MS, type NodePlace, type ReconcileDeps, type Turn } from "./steps/turn.ts";
import { clearUpAfter } from "./vanished.ts";

/** Steps taken for one Pod before others have their turn. */
const STEPS_MAX = 8;
/** A restart delivers every bundle again: not all in one second. */
const LOOK_SPREAD_MS = 60_000;

const NOTHING: Reported = { isGone: false };

/** Moves one Pod and its Machine towards each other; the world is read afresh each time. */
export function podReconciler(deps: ReconcileDeps): Reconcile {
  const { pods, nodes, clock } = deps;
  const memories = podMemories();
  const startedAtMs = clock.now();

  return async (key, signal) => {
    if (pods.get(key) !== undefined) return existing(key, signal);
    memories.forget(partsOf(key).uid);
    return clearUpAfter(deps, key, signal);
  };

  async function existing(key: string, signal: AbortSignal): Promise<Outcome> {
    let isProven = false;
    for (let taken = 0; taken < STEPS_MAX; taken += 1) {
      const pod = pods.get(key);
      const place = nodes.get(pod?.spec.nodeName ?? "");
      if (pod === undefined || place === undefined) return {};

      const memory = memories.of(pod.metadata.uid, clock.now());
      const turn = turnFor(deps, { pod, place, memory, isProven });
      const { machine } = turn.world;
      const step = planFor(turn.world);
      if (machine !== undefined) reportEvents(deps, pod, machine, memory, startedAtMs);
      // As long as nobody knows whether there is a Machine, or is to be one, nothing is reported.
      const isUnknown = step.do === "prove" || step.do === "ask-node";
      const reported = isUnknown ? NOTHING : await reportStatus(deps, turn, step, signal);
      if (reported.isGone) return { recheckInMs: LAG_MS };

      const outcome = await takeStep(deps, turn, step, signal);
      if (outcome !== "next") return sooner(outcome, reported);
      isProven =
        step.do === "prove" || (isProven && (step.do === "admit" || step.do === "ask-node"));
    }
    return { recheckInMs: LAG_MS };
  }
}

interface Look {
  readonly pod: Pod;
  readonly place: NodePlace;
  readonly memory: PodMemory;
  /** The Machines API was just asked. */
  readonly isProven: boolean;
}

/** The world of one Pod as it is now. */
function turnFor(deps: ReconcileDeps, { pod: watched, place, memory, isProven }: Look): Turn {
  const { view, clock } = deps;
  const nowMs = clock.now();
  const pod = withSentStatus(watched, memory, nowMs);
  const [machine] = view.of(pod.metadata.uid);
  const own = memoryOf(memory, machine?.machine.id);
  if (machine !== undefined) own.refreshAtMs ??= firstLookMs(deps, pod, machine, nowMs);
  const print = podPrintOf(pod);
  if (own.podPrint !== undefined && own.podPrint !== print) own.refreshAtMs = nowMs;
  own.podPrint = print;

  // For a Pod that is to go the stream is proof enough; for one that is to stay the API is asked.
  const isDeleted = pod.metadata.deletionTimestamp !== undefined;
  const isSeenAbsent = isDeleted && view.isLive() && !memory.isAmbiguous;
  const world = {
    pod,
    machine,
    isProvenAbsent: machine === undefined && (isProven || isSeenAbsent),
    translation: () => translationFor(deps, pod, place),
    deliveredAtMs: own.deliveredAtMs,
    stop: own.stop,
    refreshAtMs: own.refreshAtMs,
    admission: memory.admission,
    nowMs,
  };
  return { world, watched, memory, place };
}

function translationFor(deps: ReconcileDeps, pod: Pod, { hostIP }: NodePlace): Translation {
  const { protocol, clusterUid, apiServer, dns } = deps;
  return machineConfigFor(pod, {
    capabilities: protocol === undefined ? "fly" : "machine-protocol",
    clusterUid,
    hostIP,
    apiServer,
    ...(dns === undefined ? {} : { dns }),
  });
}

/** After a restart of ours nobody knows how old the files in a Machine are. */
function firstLookMs(
  { protocol }: ReconcileDeps,
  pod: Pod,
  machine: Sighting,
  nowMs: number,
): number | undefined {
  if (protocol === undefined || awaitsBundle(machine)) return undefined;
  if (!hasSources(pod)) return undefined;
  return nowMs + ((sha256(pod.metadata.uid)[0] ?? 0) / 256) * LOOK_SPREAD_MS;
}

function sooner({ recheckInMs }: Outcome, { heldMs }: Reported): Outcome {
  const times = [recheckInMs, heldMs].filter((one) => one !== undefined);
  return times.length === 0 ? {} : { recheckInMs: Math.min(...times) };
}

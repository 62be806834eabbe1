import { namespaceApps } from "../app/namespace-apps.ts";
import { runController } from "../controller/controller.ts";
import { type WorkQueue, workQueue } from "../controller/work-queue.ts";
import { FksError } from "../errors.ts";
import type { Apps } from "../ports/apps.ts";
import { sleep } from "../ports/clock.ts";
import type { Namespaces } from "../ports/namespaces.ts";
import type { PodEvents } from "../ports/pods.ts";
import { claimResolver } from "./claim-resolver.ts";
import { eventTeller } from "./event-teller.ts";
import { keyOfStamps, stampsOf } from "./identity.ts";
import { type LaunchRoom, launchGate } from "./launch-gate.ts";
import { followMachines, relistMachines } from "./machine-feed.ts";
import { machineView, type Sighting } from "./machine-view.ts";
import { podReconciler } from "./reconcile.ts";
import { podResolver } from "./resolve.ts";
import type { ReconcileDeps } from "./steps/turn.ts";
import { sweepForever } from "./sweep.ts";

/** Enough to keep the Machines API and the API server busy; each works on another Pod. */
const WORKERS = 32;
/** Nothing moved for this long: time to tell Events. */
const QUIET_MS = 100;
const SYNC_LOOK_MS = 50;
const CLUSTER_RETRY_MS = 1_000;

export type PodControllerDeps = Omit<
  ReconcileDeps,
  "view" | "namespaceApps" | "resolve" | "resolveClaims" | "teller" | "gate"
> & {
  /** Where creates have to wait for a call budget; absent: as many at once as there are workers. */
  readonly launchRoom?: LaunchRoom;
  readonly apps: Apps;
  readonly namespaces: Namespaces;
  readonly events: PodEvents;
};

/** Everything that happens between Pods and Machines. */
export interface PodController {
  /** The Pod with this key may have changed, appeared or gone. */
  touch(key: string): void;
  /** The Machine of a Pod, as it was last seen. */
  machineOf(podUid: string): Sighting | undefined;
  machines(): readonly Sighting[];
  /** Why no Pod is looked at yet; undefined once both sides have told all there is. */
  waitsFor(): string | undefined;
  /**
   * Works until `signal` aborts. As long as the control plane is another cluster's, nothing is
   * launched and nothing destroyed.
   */
  run(signal: AbortSignal): Promise<void>;
}

export function podController(deps: PodControllerDeps): PodController {
  const { pods, cluster, clusterUid, clock, log, protocol } = deps;
  let queue: WorkQueue | undefined;
  let touchedMs = Number.NEGATIVE_INFINITY;
  const touch = (key: string): void => {
    touchedMs = clock.now();
    queue?.add(key);
  };
  const isBusy = (): boolean => clock.now() - touchedMs < QUIET_MS;
  const view = machineView(clusterUid, touch);
  const teller = eventTeller({ ...deps, isBusy });
  const reconcile = podReconciler({
    ...deps,
    view,
    teller,
    namespaceApps: namespaceApps(deps),
    resolve: podResolver(cluster, clock),
    resolveClaims: claimResolver(cluster),
    gate: launchGate(deps.launchRoom ?? { perNamespace: WORKERS, total: WORKERS }, touch),
  });

  /** What the control plane said it is. */
  let actual: string | undefined;

  function waitsFor(): string | undefined {
    if (actual === undefined) return "the API server has not told which cluster it is yet";
    if (actual !== clusterUid) return `the control plane is cluster ${actual}, not ${clusterUid}`;
    if (!view.isSynced()) return "the Machines API has not told of every Machine yet";
    return pods.isSynced() ? undefined : "the API server has not told of every Pod yet";
  }

  async function meetCluster(signal: AbortSignal): Promise<void> {
    while (actual !== clusterUid) {
      try {
        actual = await cluster.clusterUid(signal);
        if (actual === clusterUid) return;
        log.error("another control plane answers: no pod is looked at", { actual, clusterUid });
      } catch (err) {
        if (!(err instanceof FksError)) throw err;
        log.warn("cluster not known yet", { err, retry_in_ms: CLUSTER_RETRY_MS });
      }
      await sleep(clock, CLUSTER_RETRY_MS, signal);
    }
  }

  /** Nothing is decided before both sides are known: half a picture looks like a loss. */
  async function work(signal: AbortSignal): Promise<void> {
    await meetCluster(signal);
    while (waitsFor() !== undefined) await sleep(clock, SYNC_LOOK_MS, signal);
    queue = workQueue(clock, signal);
    for (const key of pods.keys()) queue.add(key);
    for (const { machine } of view.all()) {
      const stamps = stampsOf(machine);
      if (stamps !== undefined) queue.add(keyOfStamps(stamps));
    }
    await runController({ queue, reconcile, clock, log, workers: WORKERS }, signal);
  }

  return {
    touch,
    machineOf: (podUid) => view.of(podUid)[0],
    machines: () => view.all(),
    waitsFor,
    async run(signal) {
      const feed = { ...deps, view };
      await Promise.all([
        protocol === undefined
          ? relistMachines(feed, signal)
          : followMachines({ ...feed, protocol }, signal),
        teller.run(signal),
        untilAborted(work, signal),
        sweepForever(deps, signal),
      ]);
    },
  };
}

/** Ends quietly when it was asked to. */
async function untilAborted(
  part: (signal: AbortSignal) => Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  try {
    await part(signal);
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}

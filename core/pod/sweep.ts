import { refuseOther } from "../app/same-cluster.ts";
import { sweepEveryMinute } from "../controller/sweep.ts";
import type { Apps } from "../ports/apps.ts";
import type { Clock } from "../ports/clock.ts";
import type { ClusterObjects } from "../ports/cluster.ts";
import type { Log } from "../ports/log.ts";
import type { Machines } from "../ports/machines.ts";
import type { Pods } from "../ports/pods.ts";
import { stampsOf } from "./identity.ts";
import { orphansOf, type Suspect, suspectsFor } from "./orphans.ts";

export interface SweepDeps {
  readonly pods: Pods;
  readonly machines: Machines;
  readonly apps: Apps;
  readonly cluster: ClusterObjects;
  readonly clusterUid: string;
  readonly clock: Clock;
  readonly log: Log;
}

/** Looks once for Machines without a Pod; destroys those that the passes before missed too. */
export type Sweep = (signal: AbortSignal) => Promise<void>;

/** What events missed, a pass a minute finds. A pass that could not read everything does nothing. */
export function sweeper(deps: SweepDeps): Sweep {
  const { pods, machines, clusterUid, clock, log } = deps;
  let suspects: readonly Suspect[] = [];

  return async (signal) => {
    await wantSameCluster(deps, signal);
    const found = await allMachines(deps, signal);
    // Listed after the Machines: the Pod of each of them existed before it did.
    const list = await pods.list(signal);
    const podUids = new Set(list.map(({ metadata }) => metadata.uid));
    const nowMs = clock.now();
    suspects = suspectsFor({ clusterUid, machines: found, podUids, before: suspects, nowMs });

    for (const orphan of orphansOf(suspects, nowMs)) {
      if (!(await isProvenOrphan(pods, orphan, signal))) continue;
      await wantSameCluster(deps, signal);
      const { app, machine } = orphan;
      await machines.destroy(app, machine.id, true, signal);
      log.info("orphaned machine destroyed", { app, machine: machine.id, name: machine.name });
      suspects = suspects.filter((other) => other !== orphan);
    }
  };
}

/** Sweeps every minute until `signal` aborts; a failed pass is a line in the log. */
export async function sweepForever(deps: SweepDeps, signal: AbortSignal): Promise<void> {
  const { clock, log } = deps;
  const wanted = { failure: "sweep failed", pass: sweeper(deps), clock, log };
  await sweepEveryMinute(wanted, signal);
}

async function wantSameCluster(
  { cluster, clusterUid }: SweepDeps,
  signal: AbortSignal,
): Promise<void> {
  refuseOther(await cluster.clusterUid(signal), clusterUid);
}

async function allMachines({ apps, machines, clusterUid }: SweepDeps, signal: AbortSignal) {
  const found: Pick<Suspect, "app" | "machine">[] = [];
  for (const { name: app } of await apps.list(signal)) {
    const list = await machines.list(app, { fks_cluster: clusterUid }, signal);
    found.push(...list.map((machine) => ({ app, machine })));
  }
  return found;
}

/** Asked by name: the list of Pods covers our Nodes only. */
async function isProvenOrphan(pods: Pods, { machine }: Suspect, signal: AbortSignal) {
  const stamps = stampsOf(machine);
  if (stamps === undefined) return false;
  const pod = await pods.read(stamps.fks_namespace, stamps.fks_pod, signal);
  return pod?.metadata.uid !== stamps.fks_pod_uid;
}

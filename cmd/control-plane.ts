import { mkdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { hostClock } from "#adapters/host/clock.ts";
import { writeFile } from "#adapters/host/files.ts";
import { networkPlanFor } from "#core/fly/network.ts";
import { type ControlPlane, type ControlPlanePlan } from "#embedded/control-plane/engine.ts";
import { controlPlaneEnvironment } from "#embedded/control-plane/environment.ts";
import { k3sFilesIn } from "#embedded/control-plane/k3s/files.ts";
import { k3sControlPlane } from "#embedded/control-plane/k3s/k3s.ts";
import { kubeconfigText } from "#embedded/control-plane/kubeconfig.ts";
import { pkiFilesIn } from "#embedded/control-plane/upstream/files.ts";
import { upstreamControlPlane } from "#embedded/control-plane/upstream/upstream.ts";
import type { Cluster } from "./cluster.ts";
import { type Config, environment } from "./config.ts";
import type { Engine } from "./engine.ts";
import { contextNameFor } from "./kubeconfig.ts";
import type { DataPaths } from "./paths.ts";

interface ControlPlaneOptions {
  readonly engine: Engine;
  readonly cluster: Cluster;
  readonly paths: DataPaths;
  readonly config: Config;
  /** Children that make the API's address before anything can listen on it. */
  readonly addressBy: readonly string[];
}

/**
 * The cluster's control plane with all its files in place, ready to be started. Call under the data
 * directory's lock, with nothing of it running. Throws what its engine throws.
 */
export async function prepareControlPlane(options: ControlPlaneOptions): Promise<ControlPlane> {
  const { engine, cluster, paths, config, addressBy } = options;
  const clock = hostClock();
  const env = environment();
  const plan = controlPlanePlanFor(cluster);
  if (engine.name === "k3s") {
    return k3sControlPlane({
      plan,
      ...engine,
      folder: paths.k3s,
      tokenFile: paths.k3sToken,
      env,
      addressBy,
      startTimeoutMs: config.startTimeout * 1_000,
      isRoot: process.getuid?.() === 0,
      clock,
    });
  }
  await mkdir(dirname(paths.kineDatabase), { recursive: true, mode: 0o700 });
  return upstreamControlPlane({
    plan: {
      ...plan,
      kine: { database: paths.kineDatabase, socket: join(paths.run, "kine.sock") },
      pki: pkiFilesIn(paths.pki),
    },
    kube: engine.program,
    version: engine.version,
    env: controlPlaneEnvironment(env),
    addressBy,
    clock,
  });
}

/** What the cluster wants of its control plane. Pure. */
export function controlPlanePlanFor(cluster: Cluster): ControlPlanePlan {
  return {
    clusterName: cluster.name,
    address: networkPlanFor(cluster.networkId).apiServer,
    port: cluster.apiPort,
    serviceRange: cluster.serviceRange,
  };
}

/** The SQLite file of the cluster's datastore. Pure. */
export function databaseOf({ engine }: Pick<Cluster, "engine">, paths: DataPaths): string {
  return engine === "k3s" ? k3sFilesIn(paths.k3s).database : paths.kineDatabase;
}

/** Folder of the cluster's datastore. Pure. */
export function datastoreFolderOf(cluster: Pick<Cluster, "engine">, paths: DataPaths): string {
  return dirname(databaseOf(cluster, paths));
}

/** The administrator's kubeconfig, complete in itself. */
export async function writeAdminKubeconfig(
  paths: DataPaths,
  cluster: Cluster,
  { admin, server }: Pick<ControlPlane, "admin" | "server">,
): Promise<void> {
  const text = kubeconfigText({
    name: contextNameFor(cluster.name),
    server,
    credentials: {
      ca: await Bun.file(admin.ca).text(),
      cert: await Bun.file(admin.cert).text(),
      key: await Bun.file(admin.key).text(),
    },
  });
  await writeFile(paths.kubeconfig, text);
}

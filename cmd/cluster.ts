import { readdirSync } from "node:fs";
import { z } from "zod";
import { readTextIfThere, writeFile } from "#adapters/host/files.ts";
import { FksError } from "#core/errors.ts";
import { networkPlanFor } from "#core/fly/network.ts";
import { API_SERVER_PORT, ENGINE_NAMES, type EngineName } from "#embedded/control-plane/engine.ts";
import type { Config } from "./config.ts";
import type { DataPaths } from "./paths.ts";

const schema = z.object({
  version: z.literal(1),
  name: z.string(),
  engine: z.enum(ENGINE_NAMES),
  /** Where its API listens: running Pods know it. */
  apiPort: z.number().int().default(API_SERVER_PORT),
  /** Of the control plane that was ready last: `v1.36.4+k3s1`. */
  kubernetesVersion: z.string().optional(),
  networkId: z.string().regex(/^[0-9a-f]{8}$/),
  serviceRange: z.string(),
  /** Only ever grows: a region's place is its Node's index, and so its address. */
  regions: z.array(z.string()).readonly(),
  clusterUid: z.string().optional(),
});

/** What the first start of a data directory fixed for good. */
export type Cluster = Readonly<z.infer<typeof schema>>;

/** What the first start chooses beside what the configuration says. */
export interface FirstChoices {
  readonly engine: EngineName;
  readonly apiPort: number;
}

/**
 * The cluster of this data directory, made at the first start.
 *
 * Regions that the configuration added are appended. Throws `Conflict` when the configuration
 * asks for another name than the cluster has. Call under the data directory's lock.
 */
export async function openCluster(
  config: Config,
  paths: DataPaths,
  first: FirstChoices,
): Promise<Cluster> {
  const known = await clusterIn(paths);
  if (known === undefined) return save(paths, firstCluster(config, first));

  if (config.name !== "local" && config.name !== known.name) {
    throw new FksError(
      "Conflict",
      `the cluster in ${paths.dataDir} is named ${known.name}, not ${config.name}: a name is fixed at the first start`,
    );
  }
  const added = config.regions.filter((region) => !known.regions.includes(region));
  if (added.length === 0) return known;
  return save(paths, { ...known, regions: [...known.regions, ...added] });
}

/** Writes down which version of Kubernetes has been ready with this data. */
export async function rememberVersion(paths: DataPaths, version: string): Promise<void> {
  const cluster = await readCluster(paths);
  if (cluster.kubernetesVersion === version) return;
  await save(paths, { ...cluster, kubernetesVersion: version });
}

/** The cluster of this data directory. Throws `NotFound` when `serve` never ran there. */
export async function readCluster(paths: DataPaths): Promise<Cluster> {
  const cluster = await clusterIn(paths);
  if (cluster !== undefined) return cluster;
  throw new FksError(
    "NotFound",
    `no cluster in ${paths.dataDir}: start one with fks-node serve, or name another --data-dir`,
  );
}

/** Writes down whose cluster this is, once. Throws `Conflict` when it is another one than before. */
export async function rememberClusterUid(paths: DataPaths, clusterUid: string): Promise<void> {
  const cluster = await checkClusterUid(paths, clusterUid);
  if (cluster.clusterUid === undefined) await save(paths, { ...cluster, clusterUid });
}

/** Throws `Conflict` when this data directory is known to be another cluster's. */
export async function checkClusterUid(paths: DataPaths, clusterUid: string): Promise<Cluster> {
  const cluster = await readCluster(paths);
  if ([undefined, clusterUid].includes(cluster.clusterUid)) return cluster;
  throw new FksError(
    "Conflict",
    `${paths.dataDir} belongs to cluster ${cluster.clusterUid}, the control plane is of ${clusterUid}`,
  );
}

/** The cluster of this data directory; undefined when `serve` never ran there. */
export async function clusterIn(paths: DataPaths): Promise<Cluster | undefined> {
  const text = await readTextIfThere(paths.clusterFile);
  if (text === undefined) return undefined;
  try {
    return schema.parse(JSON.parse(text));
  } catch (cause) {
    throw new FksError(
      "InvalidInput",
      `${paths.clusterFile} is damaged or from another version of fks-node: bring it back with fks-node restore FILE --yes, or remove the cluster with fks-node reset --yes`,
      { cause },
    );
  }
}

/** As `clusterIn`; `damaged` for a file that cannot be read. */
export async function clusterOrDamaged(paths: DataPaths): Promise<Cluster | "damaged" | undefined> {
  try {
    return await clusterIn(paths);
  } catch (error) {
    if (FksError.is(error, "InvalidInput")) return "damaged";
    throw error;
  }
}

async function save(paths: DataPaths, cluster: Cluster): Promise<Cluster> {
  await writeFile(paths.clusterFile, `${JSON.stringify(cluster, undefined, 2)}\n`);
  return cluster;
}

function firstCluster(config: Config, { engine, apiPort }: FirstChoices): Cluster {
  const networkId = freshNetworkId();
  return {
    version: 1,
    name: config.name,
    engine,
    apiPort,
    networkId,
    serviceRange: networkPlanFor(networkId).serviceRange,
    regions: config.regions,
  };
}

/** Avoids the ids of other clusters on this host, and their last two digits: those choose the IPv4 range. */
function freshNetworkId(): string {
  const taken = new Set(interfaceNames().map((name) => name.slice(-2)));
  for (;;) {
    const id = Buffer.from(crypto.getRandomValues(new Uint8Array(4))).toString("hex");
    if (!taken.has(id.slice(-2)) || taken.size > 200) return id;
  }
}

function interfaceNames(): string[] {
  try {
    return readdirSync("/sys/class/net").filter((name) => /^fks[0-9a-f]{8}$/.test(name));
  } catch {
    return [];
  }
}

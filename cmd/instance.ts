import { existsSync, openSync, statfsSync } from "node:fs";
import { mkdir, rm } from "node:fs/promises";
import { holdAddresses } from "#adapters/host/addresses.ts";
import { hostClock } from "#adapters/host/clock.ts";
import { lockDataDir } from "#adapters/host/data-dir-lock.ts";
import { hostLog } from "#adapters/host/log.ts";
import { requireFreePort } from "#adapters/host/ports.ts";
import { checkSocketPath } from "#adapters/host/role-socket.ts";
import { FksError } from "#core/errors.ts";
import { nodeAddressFor } from "#core/fly/network.ts";
import type { Log } from "#core/ports/log.ts";
import { damageOf } from "#embedded/control-plane/datastore/damage.ts";
import { type ControlPlane, ENGINE_NAMES } from "#embedded/control-plane/engine.ts";
import { requireApiPort, takeApiPort } from "./api-port.ts";
import { type Cluster, clusterIn, openCluster } from "./cluster.ts";
import type { Config } from "./config.ts";
import type { Console } from "./console.ts";
import { controlPlanePlanFor, databaseOf, prepareControlPlane } from "./control-plane.ts";
import { runChecks } from "./doctor/check.ts";
import { programChecks } from "./doctor/host.ts";
import { chooseEngine } from "./engine.ts";
import { endLeftovers } from "./leftovers.ts";
import { MACHINES_API_HOST } from "./machines-api.ts";
import { type DataPaths, roleSocketFor } from "./paths.ts";
import { undoCutRestore } from "./restore-data.ts";
import { ensureToken } from "./tokens.ts";
import { beginUpgrade, type Upgrade } from "./upgrade.ts";

const MIB = 1_024 ** 2;
/** What a cluster writes while it starts, a few times over. */
const FREE_BYTES_MIN = 64 * MIB;

/** A data directory that is ours, with everything in it that children need to start. */
export interface Instance {
  readonly cluster: Cluster;
  readonly controlPlane: ControlPlane;
  /** When this data was written by another version of Kubernetes. */
  readonly upgrade: Upgrade | undefined;
  /** Of `serve` itself: a file, since the terminal is for what a person needs. */
  readonly log: Log;
  /** Every address of ours on this host: the API server's and the Nodes'. */
  readonly addresses: readonly string[];
  release(): Promise<void>;
}

interface PrepareOptions {
  readonly config: Config;
  readonly paths: DataPaths;
  readonly console: Console;
  /** Children that will make the addresses of this host; without any they are put on loopback. */
  readonly addressBy: readonly string[];
}

/** Takes the data directory and makes it ready to start. Throws FksErrors that a person can act on. */
export async function prepareInstance(
  options: PrepareOptions,
  signal: AbortSignal,
): Promise<Instance> {
  const { config, paths } = options;
  requireFlyToken(config);
  if (options.addressBy.length > 0) {
    requireRoot();
    await requirePrograms(config, signal);
  }
  checkSocketPath(roleSocketFor(paths, "machines-api"));
  const lock = lockDataDir(config.dataDir);
  try {
    return await prepareLocked(options, () => lock.release(), signal);
  } catch (error) {
    lock.release();
    throw error;
  }
}

async function prepareLocked(
  { config, paths, console, addressBy }: PrepareOptions,
  unlock: () => void,
  signal: AbortSignal,
): Promise<Instance> {
  const clock = hostClock();
  for (const folder of [paths.run, paths.logs]) {
    await mkdir(folder, { recursive: true, mode: 0o700 });
  }
  requireSpace(config.dataDir);
  const log = fileLog(config, `${paths.logs}/serve.log`);
  // A restore that was cut off had ended what was left, and nothing was started since.
  if (await undoCutRestore(paths)) {
    console.step("undid a restore that was cut off: the data is what it was before");
  }
  const known = await clusterIn(paths);
  if (known === undefined) requireNoDatastore(paths);
  else requireSoundDatastore(known, paths);
  const engine = await chooseEngine({ config, cluster: known, paths, clock, console }, signal);
  // What still runs is better than nothing, as long as nothing can take its place.
  const ended = await endLeftovers({ paths, clock, log }, signal);
  if (ended.length > 0) console.step(`ended what a killed predecessor left: ${ended.join(", ")}`);
  const api = await takeApiPort(engine.name, known?.apiPort);
  const cluster = await openCluster(config, paths, { engine: engine.name, apiPort: api.port });
  const upgrade = await beginUpgrade({ paths, engine, console, clock }, signal);
  const { networkId } = cluster;
  const plan = controlPlanePlanFor(cluster);
  const nodes = cluster.regions.map((_, index) => nodeAddressFor(networkId, index));
  // Whoever waits for this file waits for an API that answers.
  await rm(paths.kubeconfig, { force: true });
  await ensureToken(paths.machinesApiToken);
  await ensureToken(paths.machineProtocolToken);
  const prepared = await prepareControlPlane({ engine, cluster, paths, config, addressBy });
  const trial = { ...prepared, readyTimeoutMs: () => config.startTimeout * 1_000 };
  const children = upgrade?.withTrial(trial) ?? prepared.children;
  const controlPlane = { ...prepared, children };
  console.step(`data directory ${config.dataDir}, network ${networkId}`);

  await requireApiPort(engine.name, plan);
  const addressesByChild = addressBy.length > 0;
  if (addressesByChild && config.machinesPort !== undefined) {
    await requireFreePort({ host: MACHINES_API_HOST, port: config.machinesPort });
  }
  const addresses = [plan.address, ...nodes];
  const letGo = addressesByChild ? undefined : await holdAddresses(addresses);
  return {
    cluster,
    controlPlane,
    upgrade,
    log,
    addresses,
    async release() {
      await letGo?.();
      api.letGo();
      unlock();
    },
  };
}

/** A cluster made over another one's objects would never find its Machines again. */
function requireNoDatastore(paths: DataPaths): void {
  const found = ENGINE_NAMES.map((engine) => databaseOf({ engine }, paths)).find(existsSync);
  if (found === undefined) return;
  throw new FksError(
    "Conflict",
    `${found} is there and ${paths.clusterFile} is not: bring that file back, or move ${paths.dataDir} away and restore a backup`,
  );
}

/** Said here in one sentence; the control plane would only never get ready. */
function requireSoundDatastore(cluster: Cluster, paths: DataPaths): void {
  const database = databaseOf(cluster, paths);
  const damage = damageOf(database);
  if (damage === undefined) return;
  throw new FksError(
    "InvalidInput",
    `${database} is damaged (${damage}): bring it back from a backup with fks-node restore`,
  );
}

function fileLog(config: Config, path: string): Log {
  const fd = openSync(path, "a", 0o600);
  return hostLog({ role: "serve", level: config.logLevel, format: "json", color: false, fd });
}

/** Told here, where a person looks, not in the log of a child that dies again and again. */
async function requirePrograms(config: Config, signal: AbortSignal): Promise<void> {
  const results = await runChecks(programChecks(config), hostClock(), signal);
  const missing = results.filter(({ outcome }) => outcome === "failed");
  if (missing.length === 0) return;
  const sentences = missing.map(({ expected, remedy }) => `${expected} (${remedy})`);
  throw new FksError("Unsupported", `missing on this host: ${sentences.join("; ")}`);
}

/** Databases that cannot be written to the end leave a control plane that never gets ready. */
function requireSpace(dataDir: string): void {
  const { bavail, bsize } = statfsSync(dataDir);
  const freeBytes = bavail * bsize;
  if (freeBytes >= FREE_BYTES_MIN) return;
  throw new FksError(
    "Unavailable",
    `no space left in ${dataDir}: ${Math.floor(freeBytes / MIB)} MiB are free, ${FREE_BYTES_MIN / MIB} MiB are needed`,
  );
}

function requireFlyToken({ machines, flyApiToken }: Config): void {
  if (machines === "embedded" || flyApiToken !== undefined) return;
  throw new FksError("Unauthorized", "--machines fly needs a token: set FLY_API_TOKEN");
}

function requireRoot(): void {
  if (process.getuid?.() === 0) return;
  throw new FksError(
    "Forbidden",
    "serve needs root: it makes network namespaces, addresses and containers; try sudo",
  );
}

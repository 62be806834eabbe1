import { openSync, statfsSync } from "node:fs";
import { mkdir, rm } from "node:fs/promises";
import { holdAddresses } from "#adapters/host/addresses.ts";
import { hostClock } from "#adapters/host/clock.ts";
import { lockDataDir } from "#adapters/host/data-dir-lock.ts";
import { writeFile } from "#adapters/host/files.ts";
import { hostLog } from "#adapters/host/log.ts";
import { requireFreePort } from "#adapters/host/ports.ts";
import { processIdentity } from "#adapters/host/process-identity.ts";
import { checkSocketPath } from "#adapters/host/role-socket.ts";
import { endOrphans } from "#adapters/process/orphans.ts";
import { FksError } from "#core/errors.ts";
import { networkPlanFor, nodeAddressFor } from "#core/fly/network.ts";
import type { Log } from "#core/ports/log.ts";
import { API_SERVER_PORT, type ControlPlanePlan } from "#embedded/control-plane/upstream/args.ts";
import { ensureKube } from "#embedded/control-plane/upstream/build.ts";
import { pkiFilesIn } from "#embedded/control-plane/upstream/files.ts";
import { kubeconfigText } from "#embedded/control-plane/upstream/kubeconfig.ts";
import { ensurePki } from "#embedded/control-plane/upstream/pki.ts";
import { type Cluster, openCluster } from "./cluster.ts";
import { type Config, environment } from "./config.ts";
import type { Console } from "./console.ts";
import { runChecks } from "./doctor/check.ts";
import { programChecks } from "./doctor/host.ts";
import { contextNameFor } from "./kubeconfig.ts";
import { MACHINES_API_HOST } from "./machines-api.ts";
import { type DataPaths, roleSocketFor } from "./paths.ts";
import { ensureToken } from "./tokens.ts";

const MIB = 1_024 ** 2;
/** What a cluster writes while it starts, a few times over. */
const FREE_BYTES_MIN = 64 * MIB;

/** A data directory that is ours, with everything in it that children need to start. */
export interface Instance {
  readonly cluster: Cluster;
  readonly plan: ControlPlanePlan;
  /** Of `serve` itself: a file, since the terminal is for what a person needs. */
  readonly log: Log;
  /** The control plane's executable. */
  readonly kube: string;
  /** Every address of ours on this host: the API server's and the Nodes'. */
  readonly addresses: readonly string[];
  release(): Promise<void>;
}

interface PrepareOptions {
  readonly config: Config;
  readonly paths: DataPaths;
  readonly console: Console;
  /** Whether a child will make the addresses of this host; otherwise they are put on loopback. */
  readonly addressesByChild: boolean;
}

/** Takes the data directory and makes it ready to start. Throws FksErrors that a person can act on. */
export async function prepareInstance(
  options: PrepareOptions,
  signal: AbortSignal,
): Promise<Instance> {
  const { config, paths } = options;
  requireRoot();
  requireFlyToken(config);
  if (options.addressesByChild) await requirePrograms(config, signal);
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
  { config, paths, console, addressesByChild }: PrepareOptions,
  unlock: () => void,
  signal: AbortSignal,
): Promise<Instance> {
  const { childrenFile } = paths;
  const clock = hostClock();
  for (const folder of [paths.kine, paths.run, paths.logs]) {
    await mkdir(folder, { recursive: true, mode: 0o700 });
  }
  requireSpace(config.dataDir);
  const log = fileLog(config, `${paths.logs}/serve.log`);
  const orphans = await endOrphans(
    { childrenFile, identityOf: processIdentity, clock, log },
    signal,
  );
  if (orphans.length > 0)
    console.step(`ended what a killed predecessor left: ${orphans.join(", ")}`);

  const cluster = await openCluster(config, paths);
  const { networkId, serviceRange } = cluster;
  const address = networkPlanFor(networkId).apiServer;
  const nodes = cluster.regions.map((_, index) => nodeAddressFor(networkId, index));
  const plan: ControlPlanePlan = {
    clusterName: cluster.name,
    address,
    serviceRange,
    kine: { folder: paths.kine, socket: `${paths.run}/kine.sock` },
    pki: pkiFilesIn(paths.pki),
  };
  // Whoever waits for this file waits for an API that answers.
  await rm(paths.kubeconfig, { force: true });
  await ensureToken(paths.machinesApiToken);
  await ensureToken(paths.machineProtocolToken);
  await renewPki(cluster, plan);
  console.step(`data directory ${config.dataDir}, network ${networkId}`);

  const env = { ...environment(), ...(config.kubeBin && { FKS_KUBE_BIN: config.kubeBin }) };
  const kube = await ensureKube({ env, onProgress: (line) => console.progress(line) }, signal);
  await requireFreePort({ host: address, port: API_SERVER_PORT });
  if (addressesByChild && config.machinesPort !== undefined) {
    await requireFreePort({ host: MACHINES_API_HOST, port: config.machinesPort });
  }
  const addresses = [address, ...nodes];
  const letGo = addressesByChild ? undefined : await holdAddresses(addresses);
  return {
    cluster,
    plan,
    log,
    kube,
    addresses,
    async release() {
      await letGo?.();
      unlock();
    },
  };
}

/** Issues what is missing or old, and the kubeconfigs of the parts that are clients. */
export async function renewPki(cluster: Cluster, plan: ControlPlanePlan): Promise<boolean> {
  const { pki, address } = plan;
  const firstOfServices = plan.serviceRange.replace(/::\/\d+$/, "::1");
  const issued = await ensurePki({
    files: pki,
    addresses: [address, firstOfServices],
    clock: hostClock(),
  });
  for (const name of ["controller-manager", "scheduler"] as const) {
    const { cert, key } = pki.pair(name);
    const text = kubeconfigText({
      name: contextNameFor(cluster.name),
      server: serverUrl(plan.address),
      credentials: { caFile: pki.pair("server-ca").cert, certFile: cert, keyFile: key },
    });
    await writeFile(pki.kubeconfig(name), text);
  }
  return issued.length > 0;
}

/** The administrator's kubeconfig, complete in itself. */
export async function writeAdminKubeconfig(
  path: string,
  cluster: Cluster,
  plan: ControlPlanePlan,
): Promise<void> {
  const { cert, key } = plan.pki.pair("admin");
  const text = kubeconfigText({
    name: contextNameFor(cluster.name),
    server: serverUrl(plan.address),
    credentials: {
      ca: await Bun.file(plan.pki.pair("server-ca").cert).text(),
      cert: await Bun.file(cert).text(),
      key: await Bun.file(key).text(),
    },
  });
  await writeFile(path, text);
}

/** Where the API server listens. */
export function serverUrl(address: string): string {
  return `https://[${address}]:${API_SERVER_PORT}`;
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

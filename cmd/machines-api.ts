import { mkdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { Command } from "commander";
import { writeFile } from "#adapters/host/files.ts";
import { fileSystemAt } from "#adapters/host/host-reading.ts";
import { portChoice } from "#adapters/host/ports.ts";
import { serveRoleSocket } from "#adapters/host/role-socket.ts";
import { aborted } from "#core/aborted.ts";
import { networkPlanFor, nodeAddressFor } from "#core/fly/network.ts";
import type { Listen } from "#core/ports/listen.ts";
import { hostImages } from "#embedded/machines-api/images/host-images.ts";
import { hostNetwork } from "#embedded/machines-api/network/host-network.ts";
import { crunRuntime } from "#embedded/machines-api/runtime/crun/crun.ts";
import { ensureRunDir } from "#embedded/machines-api/runtime/crun/run-dir.ts";
import { noImages } from "#embedded/machines-api/runtime/no-images.ts";
import { noRuntime } from "#embedded/machines-api/runtime/none.ts";
import {
  type MachinesApiDeps,
  type ServedMachinesApi,
  serveMachinesApi,
} from "#embedded/machines-api/server.ts";
import { hostVolumeFiles, thawVolumes } from "#embedded/machines-api/volumes/host-volume-files.ts";
import { noVolumeFiles } from "#embedded/machines-api/volumes/no-volume-files.ts";
import { examples } from "./help.ts";
import { lastEmbeddedUrl } from "./machines-access.ts";
import { type Role, runRole, withConfigOptions } from "./role.ts";
import { readToken } from "./tokens.ts";

export const MACHINES_API_HOST = "127.0.0.1";
/** The port of Fly's own internal Machines API. */
const FIRST_PORT = 4280;

/** `fks-node machines-api`: the embedded Machines API and the network its Machines live in. */
export function machinesApiCommand(): Command {
  const command = new Command("machines-api").description(
    "the embedded Machines API: runs Machines on this host (serve starts it)",
  );
  withConfigOptions(command).action((_options: unknown, self: Command) =>
    runRole("machines-api", self, runMachinesApi),
  );
  return examples(command, "fks-node machines-api --data-dir /var/lib/fks-node");
}

/** Network first, then the API over it, until `signal` aborts. Machines run on. */
async function runMachinesApi(role: Role, signal: AbortSignal): Promise<void> {
  const state: { served: ServedMachinesApi | undefined } = { served: undefined };
  serveRoleSocket(
    {
      path: role.socketPath,
      isReady: () =>
        state.served === undefined
          ? { ready: false, reason: "making the network and adopting Machines" }
          : { ready: true },
      metrics: async () => (await state.served?.metrics()) ?? "",
    },
    signal,
  );
  await ensureNetwork(role, signal);

  const served = await serve(role, signal);
  await writeFile(role.paths.machinesApiFile, `${JSON.stringify({ url: served.url })}\n`);
  state.served = served;
  role.log.info("machines api listens", { url: served.url });
  await aborted(signal);
  await served.stop();
}

async function ensureNetwork({ config, cluster, log }: Role, signal: AbortSignal): Promise<void> {
  const { networkId, regions } = cluster;
  const nodes = regions.map((_, index) => nodeAddressFor(networkId, index));
  const egress = config.runtime === "crun";
  await hostNetwork(networkPlanFor(networkId), nodes, { log, egress }).ensure(signal);
}

async function serve(role: Role, signal: AbortSignal): Promise<ServedMachinesApi> {
  const { config, cluster, paths, clock, log } = role;
  const parts = await partsFor(role, signal);
  const plan = networkPlanFor(cluster.networkId);
  mkdirSync(dirname(paths.machinesDatabase), { recursive: true, mode: 0o700 });
  ensureRunDir(plan);

  return serveMachinesApi(
    {
      host: MACHINES_API_HOST,
      listen: await listenFor(role),
      storePath: paths.machinesDatabase,
      runDir: join(plan.runDir, "api"),
      networkId: cluster.networkId,
      ...parts,
      tokens: {
        api: await readToken(paths.machinesApiToken),
        protocol: await readToken(paths.machineProtocolToken),
      },
      regions: cluster.regions,
      limits: config.limits,
      clock,
      log,
      random: (count) => crypto.getRandomValues(new Uint8Array(count)),
    },
    signal,
  );
}

/** What running means here: real containers of real images, or states only. */
async function partsFor(
  { config, cluster, paths, clock, log }: Role,
  signal: AbortSignal,
): Promise<Pick<MachinesApiDeps, "runtime" | "images" | "imageRoom" | "volumeFiles">> {
  if (config.runtime === "none") {
    return { runtime: noRuntime(clock), images: noImages(), volumeFiles: noVolumeFiles() };
  }
  const plan = networkPlanFor(cluster.networkId);
  await thawVolumes(paths.volumes, signal);
  return {
    runtime: crunRuntime(
      { plan, machinesDir: paths.machineFolders, profilesDir: paths.seccomp, clock, log },
      signal,
    ),
    images: hostImages({ folder: paths.images, clock }),
    imageRoom: {
      thresholds: { high: config.imageGcHighThreshold, low: config.imageGcLowThreshold },
      disk() {
        const { available, capacity } = fileSystemAt(paths.dataDir).bytes;
        return { capacityBytes: capacity, availableBytes: available };
      },
    },
    volumeFiles: hostVolumeFiles({ folder: paths.volumes, log }),
  };
}

/** The port that was asked for; else the one we had before, which others still know; else a free one. */
async function listenFor({ config, paths }: Role): Promise<Listen> {
  const before = await lastEmbeddedUrl(paths.machinesApiFile);
  const first = before === undefined ? FIRST_PORT : Number(new URL(before).port);
  return portChoice({ host: MACHINES_API_HOST, wanted: config.machinesPort, first });
}

import { existsSync, readdirSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { Command } from "commander";
import { hostClock } from "#adapters/host/clock.ts";
import { lockDataDir } from "#adapters/host/data-dir-lock.ts";
import { readTextIfThere } from "#adapters/host/files.ts";
import { stopSignals } from "#adapters/host/signals.ts";
import { accessFrom } from "#adapters/kubernetes/kubeconfig.ts";
import { FksError } from "#core/errors.ts";
import { networkIdIn, networkPlanFor } from "#core/fly/network.ts";
import type { Clock } from "#core/ports/clock.ts";
import type { Log } from "#core/ports/log.ts";
import { removeLinkInto } from "#embedded/control-plane/k3s/folder.ts";
import { hostNetwork } from "#embedded/machines-api/network/host-network.ts";
import { crunRuntime } from "#embedded/machines-api/runtime/crun/crun.ts";
import { removeRunDir } from "#embedded/machines-api/runtime/crun/run-dir.ts";
import { unmountVolumes } from "#embedded/machines-api/volumes/host-volume-files.ts";
import { readCluster } from "./cluster.ts";
import { startConsole } from "./console.ts";
import { examples } from "./help.ts";
import { endLeftovers } from "./leftovers.ts";
import { type DataPaths, dataPathsFor } from "./paths.ts";
import { configOf, warningsFor, withConfigOptions } from "./role.ts";

/** Everything a data directory holds beside the lock, which stays until the end. */
const CONTENT = [
  "kubeconfig",
  "pki",
  "kine",
  "k3s",
  "backups",
  "identities",
  "tokens",
  "machines",
  "run",
  "logs",
];

/** `fks-node reset`: the cluster of a data directory and all its traces on this host are removed. */
export function resetCommand(): Command {
  const command = new Command("reset")
    .description("remove the cluster: its containers, networks and data")
    .option("--yes", "do it; without it only what would be removed is told");
  withConfigOptions(command).action((options: { yes?: boolean }, self: Command) =>
    reset(options.yes === true, self),
  );
  return examples(command, "fks-node reset --yes", "fks-node reset --data-dir ./data --yes");
}

async function reset(confirmed: boolean, command: Command): Promise<void> {
  const config = await configOf(command);
  const paths = dataPathsFor(config.dataDir);
  const cluster = await clusterToRemove(paths);
  if (!confirmed) {
    throw new FksError(
      "InvalidInput",
      `this removes cluster ${cluster.name} in ${paths.dataDir} with all its Pods and data; say --yes to do it`,
    );
  }
  const lock = lockDataDir(paths.dataDir);
  const { stop } = stopSignals();
  const clock = hostClock();
  const console = startConsole(process.stdout, () => clock.now());
  const log = warningsFor(config, "reset");
  try {
    await endLeftovers({ paths, clock, log }, stop);
    await removeTraces({ paths, networkId: cluster.networkId, clock, log }, stop);
    console.step("containers and networks are removed");
    await removeLinkInto(paths.k3s);
    for (const name of CONTENT)
      await rm(join(paths.dataDir, name), { recursive: true, force: true });
    await rm(paths.clusterFile, { force: true });
    console.step(`${paths.dataDir} is empty`);
  } finally {
    lock.release();
  }
  await rm(join(paths.dataDir, "lock"), { force: true });
}

/** What the cluster's traces are found by, also where only the kubeconfig still tells it. */
async function clusterToRemove(
  paths: DataPaths,
): Promise<{ readonly name: string; readonly networkId: string }> {
  try {
    return await readCluster(paths);
  } catch (error) {
    const text = FksError.is(error, "InvalidInput") && (await readTextIfThere(paths.kubeconfig));
    if (!text) throw error;
    const { server } = accessFrom(text);
    const networkId = networkIdIn(new URL(server).hostname);
    if (networkId === undefined) throw error;
    return { name: "of a damaged cluster.json", networkId };
  }
}

interface Traces {
  readonly paths: DataPaths;
  readonly networkId: string;
  readonly clock: Clock;
  readonly log: Log;
}

/** Machines one after the other, then the network they were in. Half-made ones too. */
async function removeTraces(
  { paths, networkId, clock, log }: Traces,
  signal: AbortSignal,
): Promise<void> {
  const plan = networkPlanFor(networkId);
  const machinesDir = paths.machineFolders;
  const machineIds = existsSync(machinesDir) ? readdirSync(machinesDir) : [];
  if (machineIds.length > 0) {
    const watching = new AbortController();
    const runtime = crunRuntime({ plan, machinesDir, clock, log }, watching.signal);
    try {
      for (const machineId of machineIds) await runtime.remove(machineId, signal);
    } finally {
      watching.abort(new Error("reset is over"));
    }
  }
  unmountVolumes(paths.volumes);
  await hostNetwork(plan, [], { log, egress: false }).remove(signal);
  removeRunDir(plan);
}

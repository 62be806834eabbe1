import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type NetworkPlan, networkPlanFor } from "#core/fly/network.ts";
import type { Apps } from "#core/ports/apps.ts";
import { type Clock, sleep } from "#core/ports/clock.ts";
import type { Machines } from "#core/ports/machines.ts";
import { NETNS_DIR } from "#embedded/machines-api/network/netns.ts";
import { hostCgroupLayout } from "#embedded/machines-api/runtime/crun/host.ts";
import type { Cluster } from "../cluster.ts";
import type { DataPaths } from "../paths.ts";
import { type Check, failed, ok, skipped } from "./check.ts";

interface LeakSources {
  readonly paths: DataPaths;
  readonly cluster: Cluster | undefined;
  /** Undefined while the embedded Machines API cannot be asked. */
  readonly machines: { readonly machines: Machines; readonly apps: Apps } | undefined;
  readonly clock: Clock;
}

/** A Machine that is being destroyed just now has this long to be gone. */
const PATIENCE_MS = 3_000;
const MACHINE_ID = /[0-9a-f]{14}/;

/** Something on this host that belongs to a Machine, by its name. */
interface Trace {
  /** `network namespace fks-…`. */
  readonly what: string;
  readonly machineId: string;
}

/** Whether Machines that are gone left something on this host. */
export function leakCheck({ paths, cluster, machines, clock }: LeakSources): Check {
  return {
    id: "leaks",
    expected: "no namespace, mount, cgroup or folder without its Machine",
    remedy: "restart serve, which clears what it finds; else unmount and delete them by hand",
    async look(signal) {
      if (cluster === undefined) return skipped("there is no cluster yet");
      if (machines === undefined) return skipped("the Machines API is not running");
      const plan = networkPlanFor(cluster.networkId);
      const look = async (): Promise<readonly Trace[]> => {
        const traces = tracesOf(plan, paths);
        const known = await machineIds(machines, signal);
        return traces.filter(({ machineId }) => !known.has(machineId));
      };

      const first = await look();
      if (first.length === 0) return ok("none");
      await sleep(clock, PATIENCE_MS, signal);
      const before = new Set(first.map(({ what }) => what));
      const left = (await look()).filter(({ what }) => before.has(what));
      return left.length === 0 ? ok("none") : failed(left.map(({ what }) => what).join(", "));
    },
  };
}

async function machineIds(
  { machines, apps }: { readonly machines: Machines; readonly apps: Apps },
  signal: AbortSignal,
): Promise<ReadonlySet<string>> {
  const all = await apps.list(signal);
  const lists = await Promise.all(all.map(({ name }) => machines.list(name, {}, signal)));
  return new Set(lists.flat().map(({ id }) => id));
}

function tracesOf(plan: NetworkPlan, { machineFolders: folder }: DataPaths): readonly Trace[] {
  const mounts = readFileSync("/proc/self/mountinfo", "utf8")
    .split("\n")
    .map((line) => line.split(" ")[4] ?? "")
    .filter((path) => path.startsWith(`${folder}/`) || path.startsWith(`${plan.runDir}/`));
  const cgroups = hostCgroupLayout().hierarchies.flatMap(({ path }) =>
    namesIn(join(path, plan.cgroup)).map((name) => join(path, plan.cgroup, name)),
  );
  const namespaces = namesIn(NETNS_DIR).filter((name) => name.startsWith(`${plan.routerNetns}-`));
  return [
    ...namespaces.flatMap((name) => trace("network namespace", name)),
    ...mounts.flatMap((path) => trace("mount", path)),
    ...cgroups.flatMap((path) => trace("cgroup", path)),
    ...namesIn(folder).flatMap((name) => trace("folder", join(folder, name))),
  ];
}

function trace(kind: string, name: string): readonly Trace[] {
  const machineId = MACHINE_ID.exec(name)?.[0];
  return machineId === undefined ? [] : [{ what: `${kind} ${name}`, machineId }];
}

function namesIn(folder: string): readonly string[] {
  return existsSync(folder) ? readdirSync(folder) : [];
}

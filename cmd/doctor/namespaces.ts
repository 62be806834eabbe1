import { existsSync } from "node:fs";
import { join } from "node:path";
import { networkPlanFor } from "#core/fly/network.ts";
import type { Apps } from "#core/ports/apps.ts";
import { type Clock, sleep } from "#core/ports/clock.ts";
import type { Machines } from "#core/ports/machines.ts";
import { machineNetnsFor } from "#embedded/machines-api/network/commands.ts";
import { NETNS_DIR } from "#embedded/machines-api/network/netns.ts";
import type { Cluster } from "../cluster.ts";
import { type Check, failed, ok, skipped } from "./check.ts";

interface NamespaceSources {
  readonly cluster: Cluster | undefined;
  /** Undefined while the embedded Machines API cannot be asked. */
  readonly machines: { readonly machines: Machines; readonly apps: Apps } | undefined;
  readonly clock: Clock;
  /** Where iproute2 keeps named ones. */
  readonly folder?: string;
}

/** A Machine that stops just now has this long to say so. */
const PATIENCE_MS = 3_000;

/** Whether every started Machine still has the network namespace it was made with. */
export function namespacesCheck({
  cluster,
  machines,
  clock,
  folder = NETNS_DIR,
}: NamespaceSources): Check {
  return {
    id: "machines.namespaces",
    expected: "every started Machine has its network namespace",
    remedy: "delete the Pods of these Machines: new Pods get new ones",
    async look(signal) {
      if (cluster === undefined) return skipped("there is no cluster yet");
      if (machines === undefined) return skipped("the Machines API is not running");
      const plan = networkPlanFor(cluster.networkId);
      const { apps, machines: api } = machines;
      const look = async (): Promise<readonly string[]> => {
        const names = (await apps.list(signal)).map(({ name }) => name);
        const all = await Promise.all(names.map((name) => api.list(name, {}, signal)));
        return all
          .flat()
          .filter(({ state }) => state === "started")
          .map(({ id }) => id)
          .filter((id) => !existsSync(join(folder, machineNetnsFor(plan, id))));
      };

      if ((await look()).length === 0) return ok("all are there");
      await sleep(clock, PATIENCE_MS, signal);
      const missing = await look();
      return missing.length === 0
        ? ok("all are there")
        : failed(`gone: that of Machine ${missing.join(", ")}`);
    },
  };
}

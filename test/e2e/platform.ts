/** The embedded Machines API of a cluster, asked as anybody asks Fly. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { flapsAddresses } from "#adapters/flaps/addresses.ts";
import { flapsApps } from "#adapters/flaps/apps.ts";
import { callBudget } from "#adapters/flaps/budget.ts";
import { flapsMachines } from "#adapters/flaps/machines.ts";
import { hostClock } from "#adapters/host/clock.ts";
import type { Addresses, IpAssignment } from "#core/ports/addresses.ts";
import type { Apps } from "#core/ports/apps.ts";
import type { Machines } from "#core/ports/machines.ts";
import { memoryLog } from "#test/fakes/log.ts";
import type { Cluster } from "./cluster.ts";

export interface Platform {
  readonly apps: Apps;
  readonly machines: Machines;
  readonly addresses: Addresses;
  appNames(): Promise<readonly string[]>;
  /** Of every App. */
  ips(): Promise<readonly IpAssignment[]>;
}

const forever = new AbortController().signal;

export function platformOf({ dataDir }: Cluster): Platform {
  const clock = hostClock();
  const { url: baseUrl } = JSON.parse(readFileSync(join(dataDir, "run/machines-api.json"), "utf8"));
  const token = readFileSync(join(dataDir, "tokens/machines-api"), "utf8").trim();
  const budget = callBudget({ clock, enabled: false });
  const flaps = { baseUrl, token, budget, clock, log: memoryLog() };
  const apps = flapsApps({ ...flaps, orgSlug: "personal" });
  const addresses = flapsAddresses(flaps);
  const appNames = async (): Promise<readonly string[]> =>
    (await apps.list(forever)).map(({ name }) => name);
  return {
    apps,
    machines: flapsMachines(flaps),
    addresses,
    appNames,
    async ips() {
      const lists = (await appNames()).map((app) => addresses.list(app, forever));
      return (await Promise.all(lists)).flat();
    },
  };
}

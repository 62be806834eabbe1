import { randomBytes } from "node:crypto";
import { flapsAddresses } from "#adapters/flaps/addresses.ts";
import { flapsApps } from "#adapters/flaps/apps.ts";
import { callBudget } from "#adapters/flaps/budget.ts";
import { flapsMachines } from "#adapters/flaps/machines.ts";
import { flapsVolumes } from "#adapters/flaps/volumes.ts";
import { hostClock } from "#adapters/host/clock.ts";
import { memoryLog } from "#test/fakes/log.ts";
import { type AddressesWorld, addressesContract } from "./addresses-contract.ts";
import { appsContract } from "./apps-contract.ts";
import { machinesContract } from "./machines-contract.ts";
import { type VolumesWorld, volumesContract } from "./volumes-contract.ts";
import { forever } from "./world.ts";

const token = process.env["FKS_TEST_FLY_TOKEN"] ?? "";
const skip = token === "" ? "needs FKS_TEST_FLY_TOKEN, the token of a Fly organisation" : undefined;

/** Fly itself; Machines made here cost a little. */
async function fly(): Promise<AddressesWorld & VolumesWorld> {
  const clock = hostClock();
  const baseUrl = process.env["FKS_TEST_FLY_URL"] ?? "https://api.machines.dev";
  const budget = callBudget({ clock, enabled: true });
  const clients = (withToken: string) => {
    const deps = { baseUrl, token: withToken, budget, clock, log: memoryLog() };
    const orgSlug = process.env["FKS_TEST_FLY_ORG"] ?? "personal";
    return {
      machines: flapsMachines(deps),
      apps: flapsApps({ ...deps, orgSlug }),
      addresses: flapsAddresses(deps),
      volumes: flapsVolumes(deps),
    };
  };
  const { machines, apps, addresses, volumes } = clients(token);
  const run = randomBytes(4).toString("hex");
  const app = `fks-contract-${run}`;
  await apps.create(app, forever);
  return {
    machines,
    apps,
    addresses,
    volumes,
    givesWanted: false,
    stranger: clients("wrong-token"),
    app,
    region: process.env["FKS_TEST_FLY_REGION"] ?? "ams",
    image: process.env["FKS_TEST_FLY_IMAGE"] ?? "busybox:1",
    run,
    close: () => apps.destroy(app, forever),
  };
}

machinesContract("flaps against Fly", fly, { programs: "real", skip });
appsContract("flaps against Fly", fly, { skip });
addressesContract("flaps against Fly", fly, { skip });
volumesContract("flaps against Fly", fly, { skip });

import { hostClock } from "#adapters/host/clock.ts";
import { memoryWorld } from "#test/fakes/machines.ts";
import { type AddressesWorld, addressesContract } from "./addresses-contract.ts";
import { appsContract } from "./apps-contract.ts";
import { machinesContract } from "./machines-contract.ts";
import { machineProtocolContract } from "./protocol-contract.ts";
import { type VolumesWorld, volumesContract } from "./volumes-contract.ts";

async function inMemory(): Promise<AddressesWorld & VolumesWorld> {
  const { machines, apps, protocol, addresses, volumes } = memoryWorld({
    clock: hostClock(),
    stepMs: 2,
    apps: ["fks-contract"],
  });
  return {
    machines,
    apps,
    addresses,
    volumes,
    givesWanted: true,
    protocol,
    app: "fks-contract",
    region: "local-a",
    image: "contract:1",
    run: "memory",
    close: async () => {},
  };
}

machinesContract("in memory", inMemory, { programs: "toy" });
appsContract("in memory", inMemory);
addressesContract("in memory", inMemory);
volumesContract("in memory", inMemory);
machineProtocolContract("in memory", inMemory, { programs: "toy" });

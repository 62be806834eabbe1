import { addressesContract } from "./addresses-contract.ts";
import { appsContract } from "./apps-contract.ts";
import { embeddedWithoutRuntime } from "./embedded.ts";
import { machinesContract } from "./machines-contract.ts";
import { machineProtocolContract } from "./protocol-contract.ts";

const NAME = "embedded Machines API, runtime none";

machinesContract(NAME, embeddedWithoutRuntime, { programs: "toy" });
appsContract(NAME, embeddedWithoutRuntime);
addressesContract(NAME, embeddedWithoutRuntime);
machineProtocolContract(NAME, embeddedWithoutRuntime, { programs: "toy" });

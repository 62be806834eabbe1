import { addressesContract } from "./addresses-contract.ts";
import { appsContract } from "./apps-contract.ts";
import { embeddedWithoutRuntime } from "./embedded.ts";
import { machinesContract } from "./machines-contract.ts";
import { machineProtocolContract } from "./protocol-contract.ts";
import { volumesContract } from "./volumes-contract.ts";

const NAME = "embedded Machines API, runtime none";

machinesContract(NAME, embeddedWithoutRuntime, { programs: "toy" });
appsContract(NAME, embeddedWithoutRuntime);
addressesContract(NAME, embeddedWithoutRuntime);
volumesContract(NAME, embeddedWithoutRuntime);
machineProtocolContract(NAME, embeddedWithoutRuntime, { programs: "toy" });

import { existsSync } from "node:fs";
import { embeddedWithContainers } from "./embedded.ts";
import { machinesContract } from "./machines-contract.ts";
import { machineProtocolContract } from "./protocol-contract.ts";
import { volumesContract } from "./volumes-contract.ts";

const NAME = "embedded Machines API, real containers";
const isRoot = process.getuid?.() === 0;
const skip = isRoot && existsSync("/proc/self/cgroup") ? undefined : "needs root on Linux";

machinesContract(NAME, embeddedWithContainers, { programs: "real", skip });
machineProtocolContract(NAME, embeddedWithContainers, { programs: "real", skip });
volumesContract(NAME, embeddedWithContainers, { skip });

import type { GuestConfig } from "../fly/machine.ts";
import type { Pod, Resources } from "../kube/pod.ts";
import { millisOf, wholeOf } from "../kube/quantity.ts";
import { type Member, membersOf } from "./container-roles.ts";

const MIB = 2 ** 20;
export const DEFAULT_MEMORY_MB = 256;

interface Kind {
  readonly cpu_kind: GuestConfig["cpu_kind"];
  readonly cpus: readonly number[];
  readonly minMbPerCpu: number;
  readonly maxMbPerCpu: number;
  readonly stepMb: number;
}

/** What Fly sells, cheapest first. Source: Fly docs, "Machine sizing"; facts 8.1. */
const KINDS: readonly Kind[] = [
  { cpu_kind: "shared", cpus: [1, 2, 4, 6, 8], minMbPerCpu: 256, maxMbPerCpu: 2048, stepMb: 256 },
  {
    cpu_kind: "performance",
    cpus: [1, 2, 4, 6, 8, 10, 12, 14, 16],
    minMbPerCpu: 2048,
    maxMbPerCpu: 8192,
    stepMb: 2048,
  },
];

export interface Wish {
  readonly cpuMillis: number;
  readonly memoryMb: number;
}

/** The smallest size Fly sells that covers the wish, or undefined when none is large enough. */
export function guestFor({ cpuMillis, memoryMb }: Wish): GuestConfig | undefined {
  for (const { cpu_kind, cpus, minMbPerCpu, maxMbPerCpu, stepMb } of KINDS) {
    const enough = cpus.find((count) => {
      return count * 1000 >= cpuMillis && count * maxMbPerCpu >= memoryMb;
    });
    if (enough !== undefined) {
      const stepped = Math.ceil(memoryMb / stepMb) * stepMb;
      return { cpu_kind, cpus: enough, memory_mb: Math.max(stepped, enough * minMbPerCpu) };
    }
  }
  return undefined;
}

/**
 * What the containers may use together at any time: each one's limit, or its request where that is
 * larger or alone. Init containers run one at a time, beside the sidecars before them; the others run
 * beside all sidecars. Limits of the Pod itself win; its overhead is added. A Machine cannot borrow from its neighbours, so limits count. Memory is 256 MB
 * when no container speaks of it. Throws FksError `InvalidInput` for what is not a quantity.
 */
export function wishFor(pod: Pod): Wish & { readonly isDefault: boolean } {
  const cpuMillis = wantedOf(pod, "cpu", millisOf);
  const bytes = wantedOf(pod, "memory", wholeOf);
  const isDefault = bytes === 0;
  return { cpuMillis, memoryMb: isDefault ? DEFAULT_MEMORY_MB : Math.ceil(bytes / MIB), isDefault };
}

type Read = (quantity: string) => number;

/** What the Pod says for all of them counts before what each of them says. */
function wantedOf(pod: Pod, resource: string, read: Read): number {
  const { overhead = {}, ...spec } = pod.spec;
  const together = largest(spec, resource, read);
  const wanted =
    together > 0 ? together : mostOf(pod, ({ container }) => largest(container, resource, read));
  return wanted + read(overhead[resource] ?? "0");
}

/** The most that the containers want at one time: init containers run before the others. */
export function mostOf(pod: Pod, wants: (member: Member) => number): number {
  let sidecars = 0;
  let mains = 0;
  let most = 0;
  for (const member of membersOf(pod)) {
    if (member.role === "init") most = Math.max(most, sidecars + wants(member));
    else if (member.role === "sidecar") sidecars += wants(member);
    else mains += wants(member);
  }
  return Math.max(most, sidecars + mains);
}

function largest(
  { resources = {} }: { readonly resources?: Resources },
  resource: string,
  read: Read,
): number {
  const asked = [resources.limits?.[resource], resources.requests?.[resource]];
  return Math.max(0, ...asked.filter((one) => one !== undefined).map(read));
}

/** What the host has, of which the Nodes get equal shares. */
export interface HostSize {
  readonly cpus: number;
  readonly memoryBytes: number;
  readonly diskBytes: number;
}

/** What the operator asks for, each a quantity; the rest is shared. */
export interface WantedCapacity {
  readonly cpu?: string | undefined;
  readonly memory?: string | undefined;
  readonly pods: number;
}

/** A Node's capacity: resource name → quantity. */
export type NodeCapacity = Readonly<Record<string, string>>;

/** One Node's share of the host; what `wanted` names wins. */
export function capacityFor(host: HostSize, nodes: number, wanted: WantedCapacity): NodeCapacity {
  const millis = Math.floor((host.cpus * 1_000) / nodes);
  return {
    cpu: wanted.cpu ?? (millis % 1_000 === 0 ? `${millis / 1_000}` : `${millis}m`),
    memory: wanted.memory ?? kibibytes(host.memoryBytes / nodes),
    "ephemeral-storage": kibibytes(host.diskBytes / nodes),
    pods: `${wanted.pods}`,
  };
}

function kibibytes(bytes: number): string {
  return `${Math.floor(bytes / 1_024)}Ki`;
}

import { FksError } from "../errors.ts";

/** What the host has, of which the Nodes get equal shares. */
export interface HostSize {
  readonly cpus: number;
  readonly memoryBytes: number;
  readonly diskBytes: number;
}

/** A Node's capacity: resource name → quantity. */
export type NodeCapacity = Readonly<Record<string, string>>;

const DEFAULT_PODS = "250";
const RESOURCES = ["cpu", "memory", "pods", "ephemeral-storage"];
/** A Kubernetes quantity above zero, without an exponent. */
const QUANTITY = /^(?!0+(\.0+)?\D*$)\d+(\.\d+)?(m|k|[KMGTPE]i?)?$/;

/**
 * `cpu=2,memory=4Gi,pods=100`: any of the three, and `ephemeral-storage`.
 * Throws `InvalidInput` that names the part it cannot read.
 */
export function nodeCapacityFrom(text: string): NodeCapacity {
  const parts = text.split(",").map((part) => part.trim());
  return Object.fromEntries(parts.filter((part) => part !== "").map(resourceFrom));
}

function resourceFrom(part: string): [string, string] {
  const [name = "", quantity = "", ...rest] = part.split("=");
  if (!RESOURCES.includes(name) || rest.length > 0) {
    throw new FksError(
      "InvalidInput",
      `node capacity: "${part}" is not one of cpu=…, memory=…, pods=…, ephemeral-storage=…`,
    );
  }
  const isValid = name === "pods" ? /^[1-9]\d*$/.test(quantity) : QUANTITY.test(quantity);
  if (!isValid) {
    const example = name === "pods" ? "100" : name === "cpu" ? "2 or 500m" : "4Gi";
    throw new FksError(
      "InvalidInput",
      `node capacity: ${name}="${quantity}" is not like ${example}`,
    );
  }
  return [name, quantity];
}

/** One Node's share of the host; what `wanted` names wins. */
export function capacityFor(host: HostSize, nodes: number, wanted: NodeCapacity): NodeCapacity {
  const millis = Math.floor((host.cpus * 1_000) / nodes);
  return {
    cpu: millis % 1_000 === 0 ? `${millis / 1_000}` : `${millis}m`,
    memory: kibibytes(host.memoryBytes / nodes),
    "ephemeral-storage": kibibytes(host.diskBytes / nodes),
    pods: DEFAULT_PODS,
    ...wanted,
  };
}

function kibibytes(bytes: number): string {
  return `${Math.floor(bytes / 1_024)}Ki`;
}

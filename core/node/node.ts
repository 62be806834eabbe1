import { PRESSURE_WORDS } from "../eviction/pressure.ts";
import { PRESSURES, type Pressure } from "../eviction/signals.ts";
import type { Node, NodeCondition, NodeStatus, NodeSystemInfo, Taint } from "../kube/node.ts";
import type { NodeCapacity } from "./capacity.ts";

/** What a Node of ours is, fixed while the kubelet role runs. */
export interface NodeDescription {
  readonly name: string;
  readonly region: string;
  /** Its InternalIP, where its kubelet API listens. */
  readonly address: string;
  readonly kubeletPort: number;
  readonly capacity: NodeCapacity;
  readonly system: NodeSystemInfo;
  /** By configuration, beside what every Node of ours carries. */
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  /** Only for a Node that is made: later they are the administrator's. */
  readonly taints: readonly Taint[];
}

/** What we keep in a Node's metadata; the rest of it is other people's. */
export interface NodeMetadata {
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
}

/** What the Node tells of itself: whether it works, and what it is short of. */
export interface NodeState {
  readonly health: NodeHealth;
  readonly pressures: readonly Pressure[];
}

export type NodeHealth =
  | { readonly isReady: true }
  | { readonly isReady: false; readonly message: string };

const RUNTIME_PREFIX = "fks://";

/** As at a kubelet, a label of the configuration is laid over ours of the same name. */
export function nodeMetadataFor(description: NodeDescription): NodeMetadata {
  const { name, region, system, annotations } = description;
  const labels = {
    "kubernetes.io/hostname": name,
    "kubernetes.io/os": system.operatingSystem,
    "kubernetes.io/arch": system.architecture,
    "node.kubernetes.io/instance-type": "fly",
    "topology.kubernetes.io/region": region,
    "topology.kubernetes.io/zone": region,
    type: "virtual-kubelet",
    ...description.labels,
  };
  return { labels, annotations };
}

/** The status to show now. A condition keeps its transition time while its status stays. Pure. */
export function nodeStatusFor(
  description: NodeDescription,
  state: NodeState,
  previous: NodeStatus | undefined,
  nowMs: number,
): NodeStatus {
  const { name, address, kubeletPort, capacity, system } = description;
  const now = `${new Date(nowMs).toISOString().slice(0, 19)}Z`;
  return {
    capacity,
    allocatable: capacity,
    addresses: [
      { type: "InternalIP", address },
      { type: "Hostname", address: name },
    ],
    daemonEndpoints: { kubeletEndpoint: { Port: kubeletPort } },
    nodeInfo: system,
    conditions: conditionsFor(state).map((condition) => {
      const before = previous?.conditions?.find(({ type }) => type === condition.type);
      const since = before?.status === condition.status ? before.lastTransitionTime : undefined;
      return { ...condition, lastHeartbeatTime: now, lastTransitionTime: since ?? now };
    }),
  };
}

function conditionsFor({ health, pressures }: NodeState): NodeCondition[] {
  return [
    ...PRESSURES.map((type): NodeCondition => {
      const { short, enough } = PRESSURE_WORDS[type];
      const isShort = pressures.includes(type);
      const [reason, message] = isShort ? short : enough;
      return { type, status: isShort ? "True" : "False", reason, message };
    }),
    absent("NetworkUnavailable", "RouteCreated", "every Machine has a routed address"),
    health.isReady
      ? {
          type: "Ready",
          status: "True",
          reason: "KubeletReady",
          message: "kubelet is posting ready status",
        }
      : absent("Ready", "KubeletNotReady", health.message),
  ];
}

function absent(type: string, reason: string, message: string): NodeCondition {
  return { type, status: "False", reason, message };
}

/** True when the Node carries everything we keep in its metadata. */
export function hasMetadata({ metadata }: Node, wanted: NodeMetadata): boolean {
  return (["labels", "annotations"] as const).every((field) =>
    Object.entries(wanted[field]).every(([name, value]) => metadata[field]?.[name] === value),
  );
}

/** True when the conditions say something else than before; heartbeats do not count. */
export function haveConditionsChanged(before: NodeStatus | undefined, now: NodeStatus): boolean {
  return (now.conditions ?? []).some(({ type, status, reason, message }) => {
    const old = before?.conditions?.find((condition) => condition.type === type);
    return old?.status !== status || old.reason !== reason || old.message !== message;
  });
}

/** Why this Node's name must be left alone, if it must: another kubelet already answers to it. */
export function refusalToTakeOver(node: Node | undefined): string | undefined {
  const runtime = node?.status?.nodeInfo?.containerRuntimeVersion ?? "";
  if (runtime === "" || runtime.startsWith(RUNTIME_PREFIX)) return undefined;
  return `the Node "${node?.metadata.name}" belongs to another kubelet (runtime ${runtime})`;
}

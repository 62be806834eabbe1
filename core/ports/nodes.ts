import type { Node, NodeStatus, Taint } from "../kube/node.ts";
import type { NodeMetadata } from "../node/node.ts";

/** The Node objects we show, each written with its own identity. */
export interface Nodes {
  /** `undefined` only for a 404. */
  read(name: string, signal: AbortSignal): Promise<Node | undefined>;
  /** Creates the Node with these taints; one that is there stays as it is. */
  register(name: string, taints: readonly Taint[], signal: AbortSignal): Promise<void>;
  /** Creates the Node, or takes over our metadata of one that is there; foreign fields stay. */
  applyObject(name: string, metadata: NodeMetadata, signal: AbortSignal): Promise<Node>;
  /** Writes our part of the status; other writers' conditions and capacities stay. Throws `NotFound`. */
  applyStatus(name: string, status: NodeStatus, signal: AbortSignal): Promise<void>;
}

/** The Nodes' heartbeats. */
export interface Leases {
  /** Says that the Node is alive at `nowMs`, for `durationSeconds`. Creates the Lease if need be. */
  renew(node: string, lease: LeaseRenewal, signal: AbortSignal): Promise<void>;
}

export interface LeaseRenewal {
  readonly nowMs: number;
  readonly durationSeconds: number;
  /** Makes the Lease go with its Node; left out while there is none. */
  readonly nodeUid?: string;
}

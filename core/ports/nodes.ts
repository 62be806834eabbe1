import type { Node, NodeStatus } from "../kube/node.ts";

/** The Node objects we show, each written with its own identity. */
export interface Nodes {
  /** `undefined` only for a 404. */
  read(name: string, signal: AbortSignal): Promise<Node | undefined>;
  /** Creates the Node, or takes over our labels of one that is there; foreign fields stay. */
  applyObject(
    name: string,
    labels: Readonly<Record<string, string>>,
    signal: AbortSignal,
  ): Promise<Node>;
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

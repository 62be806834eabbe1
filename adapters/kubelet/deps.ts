import type { MachineRef } from "#core/fly/machine-protocol.ts";
import type { Pod } from "#core/kube/pod.ts";
import type { NodeSize } from "#core/kubelet/summary.ts";
import type { Clock } from "#core/ports/clock.ts";
import type { Log } from "#core/ports/log.ts";
import type { MachineProtocol } from "#core/ports/machine-protocol.ts";
import type { Reviews } from "#core/ports/reviews.ts";
import type { NodeUsage } from "#core/usage/usage.ts";

/** PEM texts. */
export interface TlsFiles {
  readonly cert: string;
  readonly key: string;
  /** Who signs the certificates of callers. */
  readonly clientCa: string;
}

export interface ListenOn {
  /** Name of the Node that is meant by whoever connects here. */
  readonly name: string;
  readonly address: string;
  /** 0 takes a free one. */
  readonly port: number;
}

export interface KubeletApiDeps {
  readonly nodes: readonly ListenOn[];
  /** Read at the start and whenever `onTlsChange` tells. */
  readonly tls: () => TlsFiles;
  readonly onTlsChange?: (changed: () => void) => void;
  /** The watched copy of the Pods bound to a Node. */
  readonly pods: (node: string) => readonly Pod[];
  readonly findPod: (node: string, namespace: string, name: string) => Pod | undefined;
  readonly machineFor: (pod: Pod) => MachineRef | undefined;
  readonly protocol: MachineProtocol;
  readonly reviews: Reviews;
  /** What a Node and its Pods use now. */
  readonly usage: (node: string) => Promise<NodeUsage>;
  /** Of each Node, and what its host has left now. */
  readonly size: () => NodeSize;
  /** Prometheus text for `/metrics`; without it there is no such path. */
  readonly metrics?: (node: string) => Promise<string>;
  readonly log: Log;
  readonly clock: Clock;
}

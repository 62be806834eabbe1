import type { Admit } from "../../admission/admit.ts";
import type { NamespaceApps } from "../../app/namespace-apps.ts";
import type { Outcome } from "../../controller/controller.ts";
import type { MachineRef } from "../../fly/machine-protocol.ts";
import type { Pod } from "../../kube/pod.ts";
import type { Allocatable } from "../../kube/resource-field.ts";
import type { Clock } from "../../ports/clock.ts";
import type { ClusterObjects } from "../../ports/cluster.ts";
import type { Log } from "../../ports/log.ts";
import type { MachineProtocol } from "../../ports/machine-protocol.ts";
import type { Machines } from "../../ports/machines.ts";
import type { Pods } from "../../ports/pods.ts";
import type { ResolveClaims } from "../claim-resolver.ts";
import type { ClusterDns } from "../dns-config.ts";
import type { ApiServerAddress } from "../env.ts";
import type { EventTeller } from "../event-teller.ts";
import type { LaunchGate } from "../launch-gate.ts";
import type { MachineView, Sighting } from "../machine-view.ts";
import type { World } from "../plan.ts";
import type { PodMemory } from "../pod-memory.ts";
import type { Resolve } from "../resolve.ts";

/** Where Pods of one Node run. */
export interface NodePlace {
  readonly region: string;
  /** The Node's InternalIP. */
  readonly hostIP: string;
  /** What the Node has for its Pods. */
  readonly allocatable: Allocatable;
}

/** What reconciling a Pod needs of the world. */
export interface ReconcileDeps {
  readonly pods: Pods;
  readonly view: MachineView;
  readonly machines: Machines;
  /** Absent where the public API is all there is. */
  readonly protocol?: MachineProtocol;
  readonly cluster: ClusterObjects;
  readonly namespaceApps: NamespaceApps;
  readonly resolve: Resolve;
  readonly resolveClaims: ResolveClaims;
  readonly gate: LaunchGate;
  readonly teller: EventTeller;
  /** Why a Node takes no new Pod like this one; absent: it takes all. */
  readonly admit?: Admit;
  readonly clusterUid: string;
  readonly apiServer: ApiServerAddress;
  readonly dns?: ClusterDns;
  /** By Node name. */
  readonly nodes: ReadonlyMap<string, NodePlace>;
  readonly clock: Clock;
  readonly log: Log;
}

/** One look at one Pod. */
export interface Turn {
  readonly world: World;
  /** The Pod as the API server last told of it. */
  readonly watched: Pod;
  readonly memory: PodMemory;
  readonly place: NodePlace;
}

/** What came of a step: look again at once, or later. */
export type Taken = Outcome | "next";

/** How soon what is in transition is looked at again when nobody tells of it. */
export const SOON_MS = 1_000;

/** How long the watch may lag behind what a call has shown already. */
export const LAG_MS = 2_000;

export function refOf({ app, machine }: Sighting): MachineRef {
  return { app, id: machine.id };
}

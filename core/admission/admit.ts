import { FksError } from "../errors.ts";
import type { Node } from "../kube/node.ts";
import type { Pod } from "../kube/pod.ts";
import { isTerminal } from "../pod/phase.ts";
import { hasRun } from "../pod/plan.ts";
import type { Rejection } from "../pod/security.ts";
import type { Clock } from "../ports/clock.ts";
import type { Nodes } from "../ports/nodes.ts";
import type { Pods } from "../ports/pods.ts";
import { nodeRejectionFor } from "./node-rejection.ts";

/** How old a copy of the Node may be that lets a Pod in; none refuses one. */
const FRESH_MS = 1_000;

/** Why the Pod's Node refuses it, or undefined: from then on the Pod counts as one of the Node's. */
export type Admit = (pod: Pod, signal: AbortSignal) => Promise<Rejection | undefined>;

export interface AdmitDeps {
  readonly nodes: Pick<Nodes, "read">;
  readonly pods: Pick<Pods, "keys" | "get">;
  readonly hasMachine: (podUid: string) => boolean;
  /** What is to be said before anything is read. */
  readonly firstRejectionFor: (pod: Pod) => Rejection | undefined;
  readonly clock: Clock;
}

/**
 * Lets Pods in one after the other, as a kubelet does: whoever was let in has its place. What the
 * Node is decides, read anew before a Pod is refused. Throws `Unavailable` when it cannot be read.
 */
export function nodeAdmission(deps: AdmitDeps): Admit {
  const { nodes, pods, clock } = deps;
  const admitted = new Set<string>();
  const copies = new Map<string, { readonly node: Node; readonly atMs: number }>();

  const read = async (name: string, signal: AbortSignal): Promise<Node> => {
    const atMs = clock.now();
    const node = await nodes.read(name, signal);
    if (node === undefined) throw new FksError("Unavailable", `the Node "${name}" is not there`);
    copies.set(name, { node, atMs });
    return node;
  };

  const isPlaced = (pod: Pod): boolean => {
    if (isTerminal(pod.status?.phase)) return false;
    const { uid } = pod.metadata;
    return admitted.has(uid) || hasRun(pod) || deps.hasMachine(uid);
  };

  /** Whoever is gone is forgotten, too. */
  const othersOf = ({ metadata, spec }: Pod): readonly Pod[] => {
    const all = pods.keys().flatMap((key) => pods.get(key) ?? []);
    const uids = new Set(all.map((one) => one.metadata.uid));
    for (const uid of admitted) if (!uids.has(uid)) admitted.delete(uid);
    return all.filter(
      (one) =>
        one.spec.nodeName === spec.nodeName && one.metadata.uid !== metadata.uid && isPlaced(one),
    );
  };

  return async (pod, signal) => {
    const first = deps.firstRejectionFor(pod);
    if (first !== undefined) return first;
    const { nodeName = "" } = pod.spec;
    // Nothing is waited for between the decision and its being known to the next Pod.
    const decide = (node: Node): Rejection | undefined => {
      const rejection = nodeRejectionFor(pod, node, othersOf(pod));
      if (rejection === undefined) admitted.add(pod.metadata.uid);
      return rejection;
    };
    const copy = copies.get(nodeName);
    const isFresh = copy !== undefined && clock.now() - copy.atMs <= FRESH_MS;
    if (isFresh && decide(copy.node) === undefined) return undefined;
    return decide(await read(nodeName, signal));
  };
}

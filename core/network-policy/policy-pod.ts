import type { Protocol } from "../kube/service.ts";

/** What policies need to know of a Pod that can be spoken to. */
export interface PolicyPod {
  readonly namespace: string;
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  /** Of both families. */
  readonly addresses: readonly string[];
  /** Of its containers, those with a name. */
  readonly ports: readonly NamedPort[];
}

export interface NamedPort {
  readonly name: string;
  readonly protocol: Protocol;
  readonly port: number;
}

/** Labels of each namespace, by its name. */
export type NamespaceLabels = ReadonlyMap<string, Readonly<Record<string, string>>>;

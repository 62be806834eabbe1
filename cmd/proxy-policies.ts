import { namespaceFrom } from "#adapters/kubernetes/namespace-codec.ts";
import { networkPolicyFrom } from "#adapters/kubernetes/network-policy-codec.ts";
import { type PolicyPodView, policyPodFrom } from "#adapters/kubernetes/policy-pod-codec.ts";
import type { Rule } from "#adapters/kubernetes/rights.ts";
import { watched } from "#adapters/kubernetes/watched.ts";
import { aborted } from "#core/aborted.ts";
import { machineIpv4Of, type NetworkPlan, networkPlanFor } from "#core/fly/network.ts";
import { policyKeeper } from "#core/network-policy/policy-keeper.ts";
import type { PolicyPod } from "#core/network-policy/policy-pod.ts";
import type { PolicyRules } from "#core/ports/policy-rules.ts";
import type { Role } from "./role.ts";
import type { RoleAccess } from "./role-access.ts";
import { together } from "./together.ts";

/** What the proxy role needs to see for NetworkPolicies. */
export const POLICY_RULES: readonly Rule[] = [
  {
    apiGroups: ["networking.k8s.io"],
    resources: ["networkpolicies"],
    verbs: ["list", "watch"],
  },
  { apiGroups: [""], resources: ["namespaces", "pods"], verbs: ["list", "watch"] },
];

/** Holds Pods to NetworkPolicies. */
export interface PolicyPart {
  waitsFor(): string | undefined;
  /** How many there are. */
  count(): number;
  /** The router's namespace is another one. */
  reload(): void;
  run(signal: AbortSignal): Promise<void>;
}

export function policyPart(
  { clock, log, cluster }: Role,
  access: RoleAccess,
  rules: PolicyRules,
): PolicyPart {
  const plan = networkPlanFor(cluster.networkId);
  const from = { client: access.client, clock, log };
  const policies = watched({
    ...from,
    path: "/apis/networking.k8s.io/v1/networkpolicies",
    decode: networkPolicyFrom,
  });
  const pods = watched({ ...from, path: "/api/v1/pods", decode: policyPodFrom });
  const namespaces = watched({ ...from, path: "/api/v1/namespaces", decode: namespaceFrom });
  const keeper = policyKeeper({
    policies: () => policies.all(),
    pods: () =>
      pods
        .all()
        .filter(({ isOver }) => !isOver)
        .map((pod) => policyPodOf(pod, plan)),
    namespaces: () =>
      new Map(namespaces.all().map(({ metadata }) => [metadata.name, metadata.labels])),
    isSynced: () =>
      policies.isSynced() &&
      (policies.all().length === 0 || (pods.isSynced() && namespaces.isSynced())),
    rules,
    clock,
    log,
  });
  const first = Promise.withResolvers<void>();
  policies.onChange(() => {
    first.resolve();
    keeper.touch();
  });
  for (const list of [pods, namespaces]) list.onChange(() => keeper.touch());

  /** A cluster without policies need not have every Pod in our memory. */
  const onceWanted = async (signal: AbortSignal): Promise<void> => {
    await Promise.race([first.promise, aborted(signal)]);
    const both = [pods, namespaces].map((list) => (running: AbortSignal) => list.run(running));
    if (!signal.aborted) await together(both, signal);
  };
  return {
    waitsFor: () => keeper.waitsFor(),
    count: () => policies.all().length,
    reload: () => keeper.reload(),
    run: (signal) =>
      together(
        [(running) => policies.run(running), onceWanted, (running) => keeper.run(running)],
        signal,
      ),
  };
}

/** With the private IPv4 that each Machine has beside its address. */
function policyPodOf({ metadata, podIPs, ports }: PolicyPodView, { id }: NetworkPlan): PolicyPod {
  const addresses = podIPs.flatMap((address) => [address, machineIpv4Of(id, address) ?? []].flat());
  return { ...metadata, addresses: [...new Set(addresses)], ports };
}

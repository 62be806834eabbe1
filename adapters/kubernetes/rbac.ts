import type { KubernetesClient } from "./client.ts";
import { applyRbacObject, applyRights, RBAC, type Rule } from "./rights.ts";

/** The user name in the certificate of the fks-node identity. */
export const FKS_NODE_USER = "fks-node";

/** Metrics-server's name for its own, which says the same. */
const METRICS_READER = "system:aggregated-metrics-reader";

/** Exactly what the fks-node identity does; what a Node does, it does with its own identity. */
const RULES: readonly Rule[] = [
  { apiGroups: [""], resources: ["pods"], verbs: ["get", "list"] },
  { apiGroups: [""], resources: ["namespaces"], verbs: ["get", "list", "watch", "patch"] },
  { apiGroups: [""], resources: ["services"], verbs: ["list"] },
  { apiGroups: [""], resources: ["nodes"], verbs: ["get", "list"] },
  { apiGroups: ["authentication.k8s.io"], resources: ["tokenreviews"], verbs: ["create"] },
  { apiGroups: ["authorization.k8s.io"], resources: ["subjectaccessreviews"], verbs: ["create"] },
  ...registering("", "services", "fks-metrics"),
  ...registering("discovery.k8s.io", "endpointslices", "fks-metrics"),
  ...registering("apiregistration.k8s.io", "apiservices", "v1beta1.metrics.k8s.io"),
  {
    apiGroups: ["certificates.k8s.io"],
    resources: ["certificatesigningrequests"],
    verbs: ["create", "get"],
  },
  {
    apiGroups: ["certificates.k8s.io"],
    resources: ["certificatesigningrequests/approval"],
    verbs: ["patch", "update"],
  },
  {
    apiGroups: ["certificates.k8s.io"],
    resources: ["signers"],
    verbs: ["approve"],
    resourceNames: ["kubernetes.io/kube-apiserver-client-kubelet", "kubernetes.io/kubelet-serving"],
  },
];

/** Where metrics are served, whoever may view a namespace may see what its Pods use. */
const metricsReader = {
  apiVersion: `${RBAC}/v1`,
  kind: "ClusterRole",
  metadata: {
    name: METRICS_READER,
    labels: Object.fromEntries(
      ["view", "edit", "admin"].map((name) => [`${RBAC}/aggregate-to-${name}`, "true"]),
    ),
  },
  rules: [
    {
      apiGroups: ["metrics.k8s.io"],
      resources: ["pods", "nodes"],
      verbs: ["get", "list"],
    },
  ],
};

/** One object of our own by server-side apply; the right to create cannot be about a name. */
function registering(group: string, resource: string, name: string): readonly Rule[] {
  const what = { apiGroups: [group], resources: [resource] };
  return [
    { ...what, verbs: ["create"] },
    { ...what, verbs: ["get", "patch"], resourceNames: [name] },
  ];
}

/** Gives the fks-node identity its rights, and takes from it what it had beyond them. */
export async function applyRbac(admin: KubernetesClient, signal: AbortSignal): Promise<void> {
  await applyRights(admin, { user: FKS_NODE_USER, rules: RULES }, signal);
  await applyRbacObject(admin, "clusterroles", metricsReader, signal);
}

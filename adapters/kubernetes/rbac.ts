import type { KubernetesClient } from "./client.ts";
import { ignored } from "./decode.ts";

/** The user name in the certificate of the fks-node identity. */
export const FKS_NODE_USER = "fks-node";

const RBAC = "rbac.authorization.k8s.io";

interface Rule {
  readonly apiGroups: readonly string[];
  readonly resources: readonly string[];
  readonly verbs: readonly string[];
  readonly resourceNames?: readonly string[];
}

/** Exactly what the fks-node identity does; what a Node does, it does with its own identity. */
const RULES: readonly Rule[] = [
  { apiGroups: [""], resources: ["pods"], verbs: ["get", "list"] },
  { apiGroups: [""], resources: ["namespaces"], verbs: ["get", "list", "watch", "patch"] },
  { apiGroups: [""], resources: ["configmaps"], verbs: ["get"] },
  { apiGroups: [""], resources: ["services"], verbs: ["list"] },
  { apiGroups: [""], resources: ["nodes"], verbs: ["get"] },
  { apiGroups: ["authentication.k8s.io"], resources: ["tokenreviews"], verbs: ["create"] },
  { apiGroups: ["authorization.k8s.io"], resources: ["subjectaccessreviews"], verbs: ["create"] },
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

const role = {
  apiVersion: `${RBAC}/v1`,
  kind: "ClusterRole",
  metadata: { name: FKS_NODE_USER },
  rules: RULES,
};

const binding = {
  apiVersion: `${RBAC}/v1`,
  kind: "ClusterRoleBinding",
  metadata: { name: FKS_NODE_USER },
  roleRef: { apiGroup: RBAC, kind: "ClusterRole", name: FKS_NODE_USER },
  subjects: [{ apiGroup: RBAC, kind: "User", name: FKS_NODE_USER }],
};

/** Gives the fks-node identity its rights, and takes from it what it had beyond them. */
export async function applyRbac(admin: KubernetesClient, signal: AbortSignal): Promise<void> {
  const apply = (resource: string, body: object): Promise<void> => {
    const name = `${resource}/${FKS_NODE_USER}`;
    const path = `/apis/${RBAC}/v1/${name}?fieldManager=fks-node&force=true`;
    return admin.patch({ path, type: "apply-patch", body }, ignored, signal);
  };
  await apply("clusterroles", role);
  await apply("clusterrolebindings", binding);
}

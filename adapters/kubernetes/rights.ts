import type { KubernetesClient } from "./client.ts";
import { ignored } from "./decode.ts";

export const RBAC = "rbac.authorization.k8s.io";

export interface Rule {
  readonly apiGroups: readonly string[];
  readonly resources: readonly string[];
  readonly verbs: readonly string[];
  readonly resourceNames?: readonly string[];
}

/** What one user may do in the whole cluster. */
export interface Rights {
  /** The user name in its certificate; the ClusterRole has the same name. */
  readonly user: string;
  readonly rules: readonly Rule[];
}

/** Gives a user its rights, and takes from it what it had beyond them. */
export async function applyRights(
  admin: KubernetesClient,
  { user, rules }: Rights,
  signal: AbortSignal,
): Promise<void> {
  await applyRbacObject(admin, "clusterroles", clusterRole(user, rules), signal);
  await applyRbacObject(admin, "clusterrolebindings", bindingOf(user), signal);
}

/** One object by server-side apply. */
export async function applyRbacObject(
  admin: KubernetesClient,
  resource: "clusterroles" | "clusterrolebindings",
  body: { readonly metadata: { readonly name: string } },
  signal: AbortSignal,
): Promise<void> {
  const name = `${resource}/${body.metadata.name}`;
  const path = `/apis/${RBAC}/v1/${name}?fieldManager=fks-node&force=true`;
  await admin.patch({ path, type: "apply-patch", body }, ignored, signal);
}

function clusterRole(name: string, rules: readonly Rule[]) {
  return { apiVersion: `${RBAC}/v1`, kind: "ClusterRole", metadata: { name }, rules };
}

function bindingOf(user: string) {
  return {
    apiVersion: `${RBAC}/v1`,
    kind: "ClusterRoleBinding",
    metadata: { name: user },
    roleRef: { apiGroup: RBAC, kind: "ClusterRole", name: user },
    subjects: [{ apiGroup: RBAC, kind: "User", name: user }],
  };
}

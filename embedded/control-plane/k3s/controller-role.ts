import { existsSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { writePrivate } from "../text-file.ts";
import type { K3sFiles } from "./files.ts";

/**
 * What K3s' own controller reads beside the kubelets' tunnel. Without these rights it waits for a
 * quarter of an hour and then takes the server down with it.
 */
const ROLE = `apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata:
  name: system:k3s-controller
rules:
- apiGroups: [""]
  resources: [nodes, pods, services, endpoints, namespaces]
  verbs: [get, list, watch]
- apiGroups: [discovery.k8s.io]
  resources: [endpointslices]
  verbs: [get, list, watch]
- apiGroups: [networking.k8s.io]
  resources: [networkpolicies]
  verbs: [get, list, watch]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata:
  name: system:k3s-controller
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: ClusterRole
  name: system:k3s-controller
subjects:
- apiGroup: rbac.authorization.k8s.io
  kind: User
  name: system:k3s-controller
`;

/**
 * Gives K3s' controller its rights where K3s brings none: only a release carries its manifests.
 *
 * To be called when K3s is ready, so that its own files are there by then; ours goes once they are.
 */
export async function ensureControllerRole({ manifests }: K3sFiles): Promise<void> {
  const ours = join(manifests, "fks-rolebindings.yaml");
  if (existsSync(join(manifests, "rolebindings.yaml"))) await rm(ours, { force: true });
  // Written again it would be applied again.
  else if (!existsSync(ours)) await writePrivate(ours, ROLE);
}

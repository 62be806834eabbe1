/** The one way to run a Pod here, by the name that `spec.runtimeClassName` may have. */
export const RUNTIME_CLASS = {
  apiVersion: "node.k8s.io/v1",
  kind: "RuntimeClass",
  metadata: { name: "fks" },
  handler: "fks",
} as const;

import { z } from "zod";

/** Metadata of an object that lives in no namespace, without `managedFields`. */
export const clusterMeta = z.object({
  name: z.string(),
  uid: z.string(),
  resourceVersion: z.string(),
  labels: z.record(z.string(), z.string()).default({}),
  annotations: z.record(z.string(), z.string()).default({}),
  creationTimestamp: z.string().exactOptional(),
  deletionTimestamp: z.string().exactOptional(),
  finalizers: z.array(z.string()).default([]),
});

/** The same for one that lives in a namespace. */
export const namespacedMeta = clusterMeta.extend({ namespace: z.string() });

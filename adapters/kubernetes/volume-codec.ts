import { z } from "zod";
import type {
  PersistentVolume,
  PersistentVolumeClaim,
  StorageClass,
} from "#core/kube/persistent-volume.ts";
import { decoderOf } from "./decode.ts";
import { clusterMeta, namespacedMeta } from "./meta-codec.ts";

const texts = z.record(z.string(), z.string()).default({});
const strings = z.array(z.string()).default([]);
const storage = z
  .object({ storage: z.string().default("") })
  .default({ storage: "" })
  .transform((sizes) => sizes.storage);

const claimSpec = z.object({
  accessModes: strings,
  storageClassName: z.string().default(""),
  volumeMode: z.enum(["Filesystem", "Block"]).default("Filesystem"),
  volumeName: z.string().default(""),
  resources: z
    .object({ requests: storage })
    .default({ requests: "" })
    .transform(({ requests }) => requests),
  selector: z
    .object({ matchLabels: texts, matchExpressions: z.array(z.unknown()).default([]) })
    .exactOptional(),
  dataSource: z.unknown().optional(),
  dataSourceRef: z.unknown().optional(),
});

const claimStatus = z
  .object({
    phase: z.enum(["Pending", "Bound", "Lost"]).default("Pending"),
    capacity: storage,
    conditions: z.array(z.object({ type: z.string(), status: z.string() })).default([]),
  })
  .default({ phase: "Pending", capacity: "", conditions: [] })
  .transform(({ capacity, ...status }) => ({ ...status, storage: capacity }));

const owner = z.object({
  apiVersion: z.string(),
  kind: z.string(),
  name: z.string(),
  uid: z.string(),
  controller: z.boolean().exactOptional(),
});

export const claimFrom = decoderOf<PersistentVolumeClaim>(
  z.object({
    metadata: namespacedMeta.extend({ ownerReferences: z.array(owner).default([]) }),
    spec: claimSpec.transform(({ resources, dataSource, dataSourceRef, ...spec }) => ({
      ...spec,
      storage: resources,
      hasSource: (dataSource ?? dataSourceRef ?? undefined) !== undefined,
    })),
    status: claimStatus,
  }),
  "PersistentVolumeClaim",
);

const selectorTerm = z.object({
  matchExpressions: z
    .array(z.object({ key: z.string(), operator: z.string(), values: strings }))
    .default([]),
});

const volumeSpec = z.object({
  capacity: storage,
  persistentVolumeReclaimPolicy: z.enum(["Delete", "Retain", "Recycle"]).default("Retain"),
  claimRef: z
    .object({
      namespace: z.string().default(""),
      name: z.string().default(""),
      uid: z.string().default(""),
    })
    .exactOptional(),
  csi: z
    .object({
      driver: z.string(),
      volumeHandle: z.string(),
      readOnly: z.boolean().default(false),
    })
    .exactOptional(),
  nodeAffinity: z
    .object({
      required: z.object({ nodeSelectorTerms: z.array(selectorTerm) }).optional(),
    })
    .optional(),
});

export const volumeFrom = decoderOf<PersistentVolume>(
  z.object({
    metadata: clusterMeta,
    spec: volumeSpec.transform(
      ({ capacity, persistentVolumeReclaimPolicy, nodeAffinity, ...spec }) => ({
        ...spec,
        storage: capacity,
        reclaimPolicy: persistentVolumeReclaimPolicy,
        nodeSelectorTerms: nodeAffinity?.required?.nodeSelectorTerms ?? [],
      }),
    ),
    status: z
      .object({
        phase: z.enum(["Pending", "Available", "Bound", "Released", "Failed"]).default("Pending"),
      })
      .default({ phase: "Pending" }),
  }),
  "PersistentVolume",
);

export const storageClassFrom = decoderOf<StorageClass>(
  z.object({
    metadata: clusterMeta,
    provisioner: z.string(),
    parameters: texts,
    reclaimPolicy: z.enum(["Delete", "Retain"]).default("Delete"),
    mountOptions: strings,
    volumeBindingMode: z.enum(["Immediate", "WaitForFirstConsumer"]).default("Immediate"),
    allowedTopologies: z
      .array(
        z.object({
          matchLabelExpressions: z
            .array(z.object({ key: z.string(), values: strings }))
            .default([]),
        }),
      )
      .default([]),
  }),
  "StorageClass",
);

export const placedNodeFrom = decoderOf(
  z.object({ metadata: z.object({ name: z.string(), labels: texts }) }),
  "Node",
);

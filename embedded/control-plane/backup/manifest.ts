import { z } from "zod";
import { FksError } from "#core/errors.ts";
import { ENGINE_NAMES } from "../engine.ts";

export const FORMAT_VERSION = 1;

/** Names inside a backup. Keys are `keys/…`. */
export const MANIFEST_FILE = "manifest.json";
export const MANIFEST_SUM_FILE = "manifest.sha256";
export const CLUSTER_FILE = "cluster.json";
export const DATABASE_FILE = "state.db";

const file = z.object({
  path: z.string().regex(/^(cluster\.json|state\.db|keys\/[a-z0-9][a-z0-9.-]{0,80})$/),
  bytes: z.number().int().nonnegative(),
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
});

const schema = z.object({
  formatVersion: z.literal(FORMAT_VERSION),
  fksNodeVersion: z.string(),
  engine: z.enum(ENGINE_NAMES),
  /** Which wrote the datastore: `v1.36.4+k3s1`. */
  kubernetesVersion: z.string(),
  clusterName: z.string(),
  /** Absent when no kubelet role has run yet. */
  clusterUid: z.string().optional(),
  networkId: z.string(),
  createdAt: z.iso.datetime(),
  /** Tells other keys from the cluster's, whether they are in the backup or not. */
  keysFingerprint: z.string(),
  /** How many Kubernetes objects there are. */
  objects: z.number().int().nonnegative(),
  /** In the order in which they follow. */
  files: z.array(file).refine(areComplete),
});

/** What a backup says about itself; its first file. */
export type Manifest = Readonly<z.infer<typeof schema>>;
export type ManifestFile = Manifest["files"][number];

/**
 * Throws `Unsupported` for another format than ours, `InvalidInput` for what is no manifest, each
 * with half a sentence about the archive.
 */
export function manifestOf(text: string): Manifest {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new FksError("InvalidInput", "is no backup of fks-node", { cause });
  }
  const version = z.object({ formatVersion: z.number() }).safeParse(value).data?.formatVersion;
  if (version !== undefined && version !== FORMAT_VERSION) {
    throw new FksError(
      "Unsupported",
      `is a backup of format ${version}, and this fks-node reads format ${FORMAT_VERSION}`,
    );
  }
  const { data, error } = schema.safeParse(value);
  if (data === undefined) {
    const where = error.issues[0]?.path.join(".") ?? "";
    throw new FksError(
      "InvalidInput",
      `is no backup of fks-node: its manifest is wrong (${where})`,
    );
  }
  return data;
}

function areComplete(files: readonly { readonly path: string }[]): boolean {
  const names = new Set(files.map(({ path }) => path));
  return names.size === files.length && names.has(CLUSTER_FILE) && names.has(DATABASE_FILE);
}

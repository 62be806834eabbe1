import type { ContainerMount } from "../fly/machine-protocol.ts";
import { expand } from "../kube/expansion.ts";
import type { Container, VolumeMount } from "../kube/pod.ts";

export type MountsResult =
  | { readonly ok: true; readonly mounts: readonly ContainerMount[] }
  /** Why the container cannot start, in the kubelet's words. */
  | { readonly ok: false; readonly message: string };

/** The container's mounts, `readOnlyVolumes` never to be written to; expressions take the container's own variables, and all must be there. */
export function mountsFor(
  { volumeMounts = [] }: Container,
  variables: ReadonlyMap<string, string>,
  readOnlyVolumes: ReadonlySet<string> = new Set(),
): MountsResult {
  const mounts: ContainerMount[] = [];
  for (const mount of volumeMounts) {
    const found = subPathFor(mount, variables);
    if ("message" in found) return { ok: false, message: found.message };
    const { name, mountPath: path } = mount;
    const readOnly = mount.readOnly === true || readOnlyVolumes.has(name);
    mounts.push({ name, path, ...found, ...(readOnly ? { readOnly } : {}) });
  }
  return { ok: true, mounts };
}

function subPathFor(
  { subPath: plain = "", subPathExpr = "" }: VolumeMount,
  variables: ReadonlyMap<string, string>,
): { readonly subPath?: string } | { readonly message: string } {
  const missing = [...subPathExpr.matchAll(REFERENCE)].find(
    ([, name]) => name !== undefined && !variables.has(name),
  );
  if (missing !== undefined) return { message: `missing value for "${missing[1]}"` };
  const subPath = plain === "" ? expand(subPathExpr, variables) : plain;
  if (subPath === "") return {};
  if (subPath.startsWith("/")) {
    return { message: `error SubPath \`${subPath}\` must not be an absolute path` };
  }
  if (subPath.split("/").includes("..")) {
    return { message: `unable to provision SubPath \`${subPath}\`: must not contain '..'` };
  }
  return { subPath };
}

/** As `expand` reads it: the text `$$` is no reference. */
const REFERENCE = /\$\$|\$\(([^)]*)\)/g;

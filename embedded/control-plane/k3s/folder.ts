import { chmod, lstat, mkdir, readlink, rm } from "node:fs/promises";
import { isAbsolute, relative } from "node:path";
import { FksError } from "#core/errors.ts";
import { isMissing, writePrivate } from "../text-file.ts";
import type { K3sFiles } from "./files.ts";

/** Everything K3s is told is an argument. */
const CONFIG = `# Written by fks-node at every start. K3s gets what it needs as arguments; this file is named to it
# so that it reads no other, such as /etc/rancher/k3s/config.yaml.
{}
`;

/** Makes K3s' data directory ready for a start: what is ours is there, what is stale is not. */
export async function prepareK3sFolder(files: K3sFiles): Promise<void> {
  for (const folder of [files.folder, files.home]) {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    // K3s makes it too, when its executable is asked something before.
    await chmod(folder, 0o700);
  }
  await writePrivate(files.config, CONFIG);
  await rm(files.kubeconfig, { force: true });
}

const HOST_KUBECONFIG = "/etc/rancher/k3s/k3s.yaml";

/** Takes away the link that K3s, as root, made to its kubeconfig in `folder`, its data directory. */
export async function removeLinkInto(
  folder: string,
  kubeconfig: string = HOST_KUBECONFIG,
): Promise<void> {
  const target = await readlink(kubeconfig).catch(() => undefined);
  if (target !== undefined && isInside(folder, target)) await rm(kubeconfig, { force: true });
}

function isInside(folder: string, path: string): boolean {
  const way = relative(folder, path);
  return way !== "" && !way.startsWith("..") && !isAbsolute(way);
}

/**
 * Throws `Conflict` where another K3s lives on this host: as root ours would put a link in the
 * place of its kubeconfig. A link there is one that some K3s made in just that way.
 */
export async function requireNoOtherK3s(kubeconfig: string = HOST_KUBECONFIG): Promise<void> {
  const found = await lstat(kubeconfig).catch((error: unknown) => {
    if (isMissing(error)) return undefined;
    throw error;
  });
  if (found === undefined || found.isSymbolicLink()) return;
  throw new FksError(
    "Conflict",
    `${kubeconfig} is another K3s' on this host, and this one would replace it: take --engine upstream, or move that file away`,
  );
}

import { lstatSync, readlinkSync } from "node:fs";
import { posix } from "node:path";
import { FksError } from "#core/errors.ts";

/** As the kernel's own bound. */
const MAX_LINKS = 40;

/**
 * Where `path` of an image lies on the host: every link on the way is followed as the container
 * would, so that none leads out of `root`. What does not exist yet is taken by its name.
 * Only for a root that nobody changes meanwhile.
 */
export function insideRoot(root: string, path: string): string {
  const pending = path.split("/").toReversed();
  let resolved: string[] = [];
  let links = 0;
  for (let part = pending.pop(); part !== undefined; part = pending.pop()) {
    if (part === "" || part === ".") continue;
    if (part === "..") {
      resolved.pop();
      continue;
    }
    const target = linkAt(posix.join(root, ...resolved, part));
    if (target === undefined) {
      resolved.push(part);
      continue;
    }
    links += 1;
    if (links > MAX_LINKS) throw new FksError("InvalidInput", `too many links in ${path}`);
    if (target.startsWith("/")) resolved = [];
    pending.push(...target.split("/").toReversed());
  }
  return posix.join(root, ...resolved);
}

function linkAt(path: string): string | undefined {
  const stats = lstatSync(path, { throwIfNoEntry: false });
  return stats?.isSymbolicLink() === true ? readlinkSync(path) : undefined;
}

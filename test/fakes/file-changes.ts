import { mkdir, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";
import type { FileChanges } from "#embedded/control-plane/backup/replace.ts";
import { writePrivate } from "#embedded/control-plane/text-file.ts";

interface FailingChanges extends FileChanges {
  /** How many changes were asked for. */
  count(): number;
}

/**
 * Changes of real files of which the one numbered `failsAt`, from 0 on, fails. When it is a death
 * all later ones fail, too: nobody is left to undo anything.
 */
export function failingChanges(failsAt: number, kind: "failure" | "death"): FailingChanges {
  let count = 0;
  function step(): void {
    const at = count++;
    if (at === failsAt || (kind === "death" && at > failsAt)) throw new Error("the disk is gone");
  }
  return {
    count: () => count,
    async move(from, to) {
      step();
      await mkdir(dirname(to), { recursive: true });
      await rename(from, to);
    },
    async remove(path) {
      step();
      await rm(path, { recursive: true, force: true });
    },
    async write(path, text) {
      step();
      await writePrivate(path, text);
    },
  };
}

import { mkdirSync, rmSync, statfsSync } from "node:fs";
import type { NetworkPlan } from "#core/fly/network.ts";
import { mountTmpfs, unmount } from "./libc.ts";

const TMPFS_MAGIC = 0x0102_1994;

/**
 * Makes the instance's folder for what must not reach a disk or outlive a reboot: secrets, pinned
 * namespaces, the OCI runtime's state. Where `/run` is no tmpfs it gets one of its own. Idempotent;
 * call it before anything is written there.
 */
export function ensureRunDir({ runDir }: NetworkPlan): void {
  mkdirSync(runDir, { recursive: true, mode: 0o700 });
  if (statfsSync(runDir).type !== TMPFS_MAGIC) mountTmpfs(runDir, 0o700);
}

/** Takes it away with all that is in it; Machines must be gone. */
export function removeRunDir({ runDir }: NetworkPlan): void {
  unmount(runDir);
  rmSync(runDir, { recursive: true, force: true });
}

/** File systems in files: what of them is mounted, and from which loop device. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { runProgram } from "../network/run-program.ts";

const BLOCK_DEVICES = "/sys/block";

/** The device that is mounted on top at `target`. */
export function deviceAt(target: string): string | undefined {
  const lines = readFileSync("/proc/self/mountinfo", "utf8").split("\n");
  const last = lines.findLast((line) => unescaped(line.split(" ")[4] ?? "") === target);
  return last?.split(" - ")[1]?.split(" ")[1];
}

/** Every mount point below `folder`, deepest first. */
export function mountsBelow(folder: string): readonly string[] {
  return readFileSync("/proc/self/mountinfo", "utf8")
    .split("\n")
    .map((line) => unescaped(line.split(" ")[4] ?? ""))
    .filter((target) => target.startsWith(`${folder}/`))
    .toReversed();
}

/** True while any loop device shows the file, mounted or not: also one that goes away by and by. */
export function isInUse(image: string): boolean {
  return readdirSync(BLOCK_DEVICES)
    .filter((name) => name.startsWith("loop"))
    .some((name) => textOf(`${BLOCK_DEVICES}/${name}/loop/backing_file`).trim() === image);
}

/**
 * Mounts the ext4 file system in `image`. The loop device is the kernel's to free with the last
 * mount; one that still shows the file is taken again, so that a file never has two.
 */
export async function mountImage(
  image: string,
  target: string,
  signal: AbortSignal,
): Promise<void> {
  const options = "loop,nodev,discard";
  await runProgram(["mount", "-t", "ext4", "-o", options, image, target], signal);
}

function unescaped(path: string): string {
  return path.replaceAll("\\040", " ");
}

function textOf(file: string): string {
  try {
    return existsSync(file) ? readFileSync(file, "utf8") : "";
  } catch {
    // Freed meanwhile.
    return "";
  }
}

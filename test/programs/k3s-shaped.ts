import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync } from "node:fs";
import { copyFile, mkdir, rm, symlink, writeFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { cachedKubePath } from "#embedded/control-plane/upstream/build.ts";
import { goCommand } from "./go-command.ts";

/** What the stand-in can be told; test/programs/k3s-shaped/shape.go says what each means. */
export interface K3sShape {
  readonly version?: string;
  readonly behaviour?: string;
  readonly delaySeconds?: number;
  readonly message?: string;
  readonly etc?: string;
  readonly leafDays?: number;
  readonly sourceBuild?: boolean;
  readonly rbacWaitSeconds?: number;
}

const SOURCE = join(import.meta.dir, "k3s-shaped");
const BUILD_TIMEOUT_MS = 600_000;

/**
 * Puts the stand-in for K3s into this folder, and returns the path of the executable, `k3s`.
 *
 * It is built with Go once for each state of its source. Its parts are those of `FKS_KUBE_BIN`, else
 * those that `make setup` has built. Without an `etc` it keeps its host files in the folder itself.
 */
export async function installK3sShaped(folder: string, shape: K3sShape = {}): Promise<string> {
  const built = await buildK3sShaped();
  const kube = process.env["FKS_KUBE_BIN"] || cachedKubePath(process.env);
  await mkdir(folder, { recursive: true });
  const executable = join(folder, "k3s");
  await rm(executable, { force: true });
  await copyFile(built, executable);
  await rm(join(folder, "kube"), { force: true });
  await symlink(resolve(kube), join(folder, "kube"));
  await shapeK3s(executable, shape);
  return executable;
}

/** Gives an installed one another shape, from its next start on. */
export async function shapeK3s(executable: string, shape: K3sShape): Promise<void> {
  const folder = resolve(dirname(executable));
  const whole = { etc: join(folder, "etc"), ...shape };
  await writeFile(join(folder, "shape.json"), `${JSON.stringify(whole)}\n`);
}

/** The path of the executable in the cache, where it is built once for each state of its source. */
export async function buildK3sShaped(): Promise<string> {
  const path = join(dirname(cachedKubePath(process.env)), `k3s-shaped-${sourceHash()}`);
  if (existsSync(path)) return path;
  mkdirSync(dirname(path), { recursive: true });
  const unfinished = `${path}.${process.pid}.tmp`;
  const build = Bun.spawn(
    [goCommand(), "build", "-trimpath", "-ldflags=-s -w", "-o", unfinished, "."],
    {
      cwd: SOURCE,
      env: { ...process.env, CGO_ENABLED: "0" },
      stderr: "pipe",
      timeout: BUILD_TIMEOUT_MS,
    },
  );
  if ((await build.exited) !== 0) throw new Error(await new Response(build.stderr).text());
  renameSync(unfinished, path);
  return path;
}

function sourceHash(): string {
  const hash = new Bun.CryptoHasher("sha256");
  for (const name of readdirSync(SOURCE).toSorted()) {
    if (name.endsWith("_test.go")) continue;
    hash
      .update(`${name}\0`)
      .update(readFileSync(join(SOURCE, name)))
      .update("\0");
  }
  return hash.digest("hex").slice(0, 16);
}

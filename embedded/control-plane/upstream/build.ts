import { constants, existsSync } from "node:fs";
import { access, mkdir, mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { FksError } from "#core/errors.ts";
import { cacheFolder } from "../cache.ts";
import { teller } from "../teller.ts";
import { goPrograms } from "./go.ts";
import { BUILD_FLAGS, SOURCE_FILES, sourceHash } from "./source.ts";

interface EnsureOptions {
  /** Hears a sentence for people: what is done, how far it is, how long it has taken. */
  onProgress(line: string): void;
  /** `FKS_KUBE_BIN` names the executable; `XDG_CACHE_HOME` and Go's own variables are heeded. */
  readonly env?: Readonly<Record<string, string | undefined>>;
}

/**
 * The path of the `kube` executable, which carries the control plane's parts; built when needed.
 *
 * `FKS_KUBE_BIN` first, else the cache, else it is compiled with Go (13 minutes with nothing
 * cached) and moved into the cache in one step. Throws `NotFound` when the file named is not
 * there, `Unsupported` without Go, `Unavailable` naming the log file when the build failed.
 */
export async function ensureKube(options: EnsureOptions, signal: AbortSignal): Promise<string> {
  const env = options.env ?? process.env;
  const named = env["FKS_KUBE_BIN"] ?? "";
  if (named !== "") return executableAt(named);
  const path = cachedKubePath(env);
  if (!existsSync(path)) await build(path, { ...options, env }, signal);
  return path;
}

/** Where the executable is cached, whether it is there or not. */
export function cachedKubePath(env: Readonly<Record<string, string | undefined>>): string {
  return join(cacheFolder(env), `kube-${sourceHash()}`);
}

async function executableAt(path: string): Promise<string> {
  try {
    await access(path, constants.X_OK);
    return path;
  } catch (cause) {
    const sentence = `--kube-bin (FKS_KUBE_BIN) names ${path}, which is not an executable file`;
    throw new FksError("NotFound", sentence, { cause });
  }
}

async function build(
  path: string,
  { env, onProgress }: Required<EnsureOptions>,
  signal: AbortSignal,
): Promise<void> {
  const log = `${path}.log`;
  const unfinished = `${path}.${process.pid}.tmp`;
  await mkdir(join(path, ".."), { recursive: true });
  await writeFile(log, "");
  const folder = await mkdtemp(join(tmpdir(), "fks-kube-"));
  try {
    for (const [name, text] of Object.entries(SOURCE_FILES)) {
      await writeFile(join(folder, name), text);
    }
    const go = goPrograms({ folder, log, env });
    const tell = teller(onProgress);

    const packages = new Set<string>();
    await go.run(
      ["list", ...BUILD_FLAGS, "-deps", "."],
      {
        onOutput: (line) => packages.add(line),
        onNote: tell.counted((line) => line.startsWith("go: downloading"), "Fetching Go modules"),
      },
      signal,
    );
    packages.delete("");
    const compiled = tell.counted(
      (line) => packages.has(line),
      "Compiling the control plane",
      packages.size,
    );
    tell.say(
      `Compiling the control plane: ${packages.size} packages, up to 15 minutes the first time`,
    );
    await go.run(
      ["build", ...BUILD_FLAGS, "-v", "-o", unfinished, "."],
      { onNote: compiled },
      signal,
    );
    await rename(unfinished, path);
  } finally {
    await rm(folder, { recursive: true, force: true });
    await rm(unfinished, { force: true });
  }
}

import { accessSync, constants, existsSync, statSync } from "node:fs";
import { join } from "node:path";
import { FksError } from "#core/errors.ts";
import type { EngineName } from "#embedded/control-plane/engine.ts";
import { requireNoOtherK3s } from "#embedded/control-plane/k3s/folder.ts";
import { PIN, releaseFolder, releaseFor, urlOf } from "#embedded/control-plane/k3s/release.ts";
import { KUBERNETES_VERSION } from "#embedded/control-plane/upstream/source.ts";
import type { Config, Environment } from "../config.ts";

/** Where a K3s would come from. */
export type K3sSource =
  | { readonly from: "named" | "path" | "cache"; readonly path: string }
  | { readonly from: "download"; readonly url: string }
  | { readonly from: "nowhere"; readonly why: string };

interface Prospects {
  /** What the first start fixed; undefined before it. */
  readonly fixed: EngineName | undefined;
  readonly asked: Config["engine"];
  /** Whoever names a K3s wants that one and no substitute. */
  readonly isNamed: boolean;
  readonly k3s: K3sSource;
  /** Why no K3s of ours may live on this host. */
  readonly otherK3s: string | undefined;
}

/** The engine that `serve` would start, as far as can be told without running or fetching anything. */
export interface EngineOutlook {
  readonly engine: EngineName;
  /** Undefined where only the executable can tell. */
  readonly version: string | undefined;
  readonly why: string;
  readonly k3s: K3sSource;
  readonly otherK3s: string | undefined;
}

/** Looks at this host. Changes nothing, and asks nobody. */
export async function engineOutlook(
  config: Config,
  env: Environment,
  fixed: EngineName | undefined,
): Promise<EngineOutlook> {
  const isRoot = process.getuid?.() === 0;
  const otherK3s = isRoot ? await otherK3sOfHost() : undefined;
  return outlookFor({
    fixed,
    asked: config.engine,
    isNamed: config.k3sBin !== undefined,
    k3s: k3sSource(config, env),
    otherK3s,
  });
}

/** Pure. */
export function outlookFor(prospects: Prospects): EngineOutlook {
  const { fixed, asked, isNamed, k3s, otherK3s } = prospects;
  const outlook = (engine: EngineName, why: string): EngineOutlook => ({
    engine,
    version: versionOf(engine, k3s),
    why,
    k3s,
    otherK3s,
  });
  if (fixed !== undefined) return outlook(fixed, "fixed at the first start");
  if (asked !== "auto") return outlook(asked, `asked for by --engine ${asked}`);
  if (isNamed) return outlook("k3s", "named by --k3s-bin");
  if (otherK3s !== undefined) return outlook("upstream", otherK3s);
  if (k3s.from === "nowhere") return outlook("upstream", k3s.why);
  if (k3s.from !== "download") return outlook("k3s", "it is here");
  return outlook("k3s", "it can be fetched; where that fails, upstream is taken");
}

/** Where it is, in words. */
export function sourceText(source: K3sSource): string {
  switch (source.from) {
    case "named":
      return `${source.path}, named by --k3s-bin`;
    case "path":
      return `${source.path}, found on PATH`;
    case "cache":
      return `${source.path}, from the cache`;
    case "download":
      return `serve will fetch ${source.url}, 80 MB`;
    case "nowhere":
      return source.why;
  }
}

function versionOf(engine: EngineName, k3s: K3sSource): string | undefined {
  if (engine === "upstream") return KUBERNETES_VERSION;
  return k3s.from === "cache" || k3s.from === "download" ? PIN.version : undefined;
}

/** In the order in which `serve` looks. */
function k3sSource({ k3sBin, k3sReleases }: Config, env: Environment): K3sSource {
  if (k3sBin !== undefined) {
    return isExecutable(k3sBin)
      ? { from: "named", path: k3sBin }
      : { from: "nowhere", why: `--k3s-bin names ${k3sBin}, which is not an executable file` };
  }
  const onPath = Bun.which("k3s", { PATH: env["PATH"] ?? "" });
  if (onPath !== null) return { from: "path", path: onPath };
  try {
    const release = releaseFor(PIN, process.arch);
    const cached = join(releaseFolder(env, release), release.binary);
    return existsSync(cached)
      ? { from: "cache", path: cached }
      : { from: "download", url: shown(urlOf(k3sReleases, release.version, release.binary)) };
  } catch (error) {
    if (error instanceof FksError) return { from: "nowhere", why: error.message };
    throw error;
  }
}

/** A mirror's URL may hold a password. */
function shown({ origin, pathname }: URL): string {
  return `${origin}${pathname}`;
}

async function otherK3sOfHost(): Promise<string | undefined> {
  try {
    await requireNoOtherK3s();
    return undefined;
  } catch (error) {
    if (FksError.is(error, "Conflict")) return error.message;
    throw error;
  }
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}

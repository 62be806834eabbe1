import { existsSync, mkdirSync, readdirSync, readFileSync, realpathSync, statSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { captured } from "../captured.ts";
import { runStep } from "../step.ts";
import type { TarEntry } from "../tar-writer.ts";

const MULTIARCH = `${process.arch === "x64" ? "x86_64" : "aarch64"}-linux-gnu`;
const LIBRARIES = [`usr/lib/${MULTIARCH}`, `lib/${MULTIARCH}`];
const SEARCHED = ["usr/bin", "bin", "usr/sbin", "sbin"];

/**
 * Unpacks those of `packages` that this host lacks under `folder`; the host's own are used as they
 * are. Nothing is installed. Hosts without apt use what is installed there.
 */
export async function ensureDebianPrograms(
  folder: string,
  packages: readonly string[],
): Promise<void> {
  const done = join(folder, "done");
  if (existsSync(done)) return;
  const archives = join(folder, "archives");
  mkdirSync(join(archives, "partial"), { recursive: true });
  if (Bun.which("apt-get") !== null) {
    const options = ["-o", `Dir::Cache::archives=${archives}`, "-o", "APT::Sandbox::User=root"];
    await runStep({
      title: "Fetching Debian packages for images",
      command: [
        "sh",
        "-euc",
        'apt-get -q update; exec apt-get -q "$@"',
        "sh",
        ...options,
        "--download-only",
        "--no-install-recommends",
        "-y",
        "install",
        ...packages,
      ],
      log: join(folder, "apt.log"),
      env: { DEBIAN_FRONTEND: "noninteractive" },
    });
  }
  for (const name of readdirSync(archives).filter((file) => file.endsWith(".deb"))) {
    const { exitCode, stderr } = await captured(["dpkg", "-x", join(archives, name), folder]);
    if (exitCode !== 0) throw new Error(`dpkg could not unpack ${name}: ${stderr}`);
  }
  await Bun.write(done, "");
}

/**
 * Programs by name, unpacked under `folder` or this host's own, as entries of an image: each at its
 * path, with its libraries where Debian's loader looks for them.
 */
export async function programEntries(
  folder: string,
  programs: Readonly<Record<string, string>>,
): Promise<readonly TarEntry[]> {
  const entries = new Map<string, TarEntry>();
  for (const [name, path] of Object.entries(programs)) {
    const file = programFile(folder, name);
    entries.set(path, fileEntry(file, path, 0o755));
    for (const library of await librariesOf(folder, file)) {
      const target = library.includes("/ld-linux")
        ? library.slice(1)
        : `lib/${MULTIARCH}/${basename(library)}`;
      entries.set(target, fileEntry(library, target, 0o755));
    }
  }
  return [...foldersOf([...entries.keys()]), ...entries.values()];
}

function programFile(folder: string, name: string): string {
  const candidates = [folder, "/"].flatMap((root) =>
    SEARCHED.map((path) => join(root, path, name)),
  );
  const found = candidates.find((path) => existsSync(path));
  if (found === undefined) throw new Error(`${name} is neither on this host nor in a package`);
  return found;
}

async function librariesOf(folder: string, file: string): Promise<readonly string[]> {
  const searched = LIBRARIES.map((path) => join(folder, path)).join(":");
  const { stdout } = await captured(["ldd", file], { LD_LIBRARY_PATH: searched });
  return librariesIn(stdout);
}

/** The files that `ldd` says are loaded. */
export function librariesIn(ldd: string): readonly string[] {
  return [...ldd.matchAll(/(?:=>\s+|^\s+)(\/\S+) \(0x/gm)].map(([, path]) => path ?? "");
}

function fileEntry(file: string, path: string, mode: number): TarEntry {
  const real = realpathSync(file);
  if (!statSync(real).isFile()) throw new Error(`${file} is no file`);
  return { path, content: readFileSync(real), mode };
}

/** The folders above these paths, the outer ones first. */
export function foldersOf(paths: readonly string[]): readonly TarEntry[] {
  const folders = new Set<string>();
  for (const path of paths) {
    for (let at = dirname(path); at !== "."; at = dirname(at)) folders.add(at);
  }
  return [...folders]
    .toSorted((a, b) => a.length - b.length)
    .map((path) => ({ path: `${path}/`, type: "directory", mode: 0o755 }));
}

import { existsSync, mkdirSync, renameSync } from "node:fs";
import { join, resolve } from "node:path";
import { runStep } from "../step.ts";
import { CHECKED_IN } from "./paths.ts";

const IMAGES = "k8s.io/kubernetes/test/images";

/** What is compiled from the modules: the suite, and the programs of its images. */
const PROGRAMS = {
  e2e: { name: "e2e.test", command: ["test", "-c"], source: "k8s.io/kubernetes/test/e2e" },
  agnhost: { name: "agnhost", command: ["build"], source: `${IMAGES}/agnhost` },
  pause: { name: "pause", command: ["build"], source: "./pause" },
  etcd: { name: "etcd", command: ["build"], source: "go.etcd.io/etcd/server/v3" },
  sample: { name: "sample-apiserver", command: ["build"], source: "k8s.io/sample-apiserver" },
  nnp: { name: "nnp", command: ["build"], source: `${IMAGES}/nonewprivs` },
} as const;

const FLAGS = ["-trimpath", "-tags", "netgo,osusergo", "-ldflags", "-s -w", "-buildvcs=false"];

/** Path of each program. */
export type Programs = Readonly<Record<keyof typeof PROGRAMS, string>>;

/**
 * The suite and its images' programs, compiled once into `cache`: about ten minutes with nothing
 * cached. Ends this program with the log's last lines when the compiler fails.
 */
export async function ensurePrograms(cache: string): Promise<Programs> {
  mkdirSync(cache, { recursive: true });
  return {
    pause: await compiled(cache, PROGRAMS.pause),
    nnp: await compiled(cache, PROGRAMS.nnp),
    agnhost: await compiled(cache, PROGRAMS.agnhost),
    etcd: await compiled(cache, PROGRAMS.etcd),
    sample: await compiled(cache, PROGRAMS.sample),
    e2e: await compiled(cache, PROGRAMS.e2e),
  };
}

/** Folder of the sources of the suite's images, in Go's module cache. */
export async function imageSources(): Promise<string> {
  const go = Bun.spawn([goProgram(), "list", "-m", "-f", "{{.Dir}}", "k8s.io/kubernetes"], {
    cwd: CHECKED_IN,
    env: { ...process.env, ...GO_ENV },
    stderr: "inherit",
  });
  const folder = (await new Response(go.stdout).text()).trim();
  return join(folder, "test/images");
}

const GO_ENV = { CGO_ENABLED: "0", GOFLAGS: "-mod=readonly" };

type Program = (typeof PROGRAMS)[keyof typeof PROGRAMS];

async function compiled(cache: string, { name, command, source }: Program): Promise<string> {
  const path = resolve(cache, name);
  if (existsSync(path)) return path;
  const unfinished = `${path}.${process.pid}.tmp`;
  await runStep({
    title: `Compiling ${name}${name === "e2e.test" ? " (ten minutes the first time)" : ""}`,
    command: [goProgram(), "-C", CHECKED_IN, ...command, ...FLAGS, "-o", unfinished, source],
    log: join(cache, `${name}.log`),
    env: GO_ENV,
  });
  renameSync(unfinished, path);
  return path;
}

function goProgram(): string {
  return Bun.which("go") ?? "/usr/local/go/bin/go";
}

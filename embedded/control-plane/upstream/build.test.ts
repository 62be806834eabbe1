import { afterAll, expect, test } from "bun:test";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { cachedKubePath, ensureKube } from "./build.ts";
import { SOURCE_FILES } from "./source.ts";

const folder = mkdtempSync(join(tmpdir(), "fks-build-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const never = new AbortController().signal;

/** A host whose `go` is this shell script. */
function hostWith(script: string) {
  const home = join(folder, crypto.randomUUID());
  mkdirSync(join(home, "bin"), { recursive: true });
  writeFileSync(join(home, "bin/go"), `#!/bin/sh\n${script}\n`);
  chmodSync(join(home, "bin/go"), 0o755);
  return { HOME: home, PATH: `${join(home, "bin")}:/usr/bin:/bin` };
}

const BUILDS = `
case $1 in
list) echo "go: downloading k8s.io/api v0.36.3" >&2; echo k8s.io/api; echo k8s.io/client-go ;;
build) echo k8s.io/api >&2
  while [ "$1" != -o ]; do shift; done
  echo built > "$2"; cat main.go > "$HOME/main.go"; echo once >> "$HOME/builds" ;;
esac`;

test("the executable is built once from the files we carry, with progress, and then cached", async () => {
  const env = hostWith(BUILDS);
  const lines: string[] = [];
  const path = await ensureKube({ env, onProgress: (line) => lines.push(line) }, never);
  await ensureKube({ env, onProgress: (line) => lines.push(line) }, never);

  expect(path).toBe(cachedKubePath(env));
  expect(readFileSync(path, "utf8")).toBe("built\n");
  expect(readFileSync(join(env.HOME, "builds"), "utf8")).toBe("once\n");
  expect(readFileSync(join(env.HOME, "main.go"), "utf8")).toBe(SOURCE_FILES["main.go"] ?? "");
  expect(lines[0]).toBe("Fetching Go modules: 1 (0 s)");
  expect(lines.join()).toContain("Compiling the control plane: 2 packages");
});

test("a failed build names its log file and leaves nothing that looks finished", async () => {
  const env = hostWith('[ "$1" = list ] || { echo "main.go:3: syntax error" >&2; exit 1; }');
  const failure = await ensureKube({ env, onProgress() {} }, never).catch(String);

  expect(failure).toContain("main.go:3: syntax error; all of it is in");
  expect(existsSync(cachedKubePath(env))).toBe(false);
  expect(readdirSync(join(env.HOME, ".cache/fks-node"))).toHaveLength(1);
  expect(readFileSync(`${cachedKubePath(env)}.log`, "utf8")).toContain("$ go build -tags");
});

test("FKS_KUBE_BIN comes first, and must be an executable", async () => {
  const env = hostWith("exit 1");
  const options = (bin: string) => ({ env: { ...env, FKS_KUBE_BIN: bin }, onProgress() {} });

  expect(await ensureKube(options("/bin/true"), never)).toBe("/bin/true");
  expect(await ensureKube(options("/nowhere"), never).catch(String)).toContain(
    "(FKS_KUBE_BIN) names /nowhere",
  );
});

import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { hostClock } from "#adapters/host/clock.ts";
import { CLUSTER } from "#test/fixtures/cluster.ts";
import { k3sLike } from "#test/fixtures/k3s-releases.ts";
import type { Cluster } from "./cluster.ts";
import { loadConfig } from "./config.ts";
import { chooseEngine, type Engine } from "./engine.ts";
import { dataPathsFor } from "./paths.ts";

const folder = mkdtempSync(join(tmpdir(), "fks-engine-"));
const before = process.env["XDG_CACHE_HOME"];
/** No K3s of this host is to be found in a cache. */
beforeAll(() => {
  process.env["XDG_CACHE_HOME"] = join(folder, "cache");
});
afterAll(() => {
  if (before === undefined) delete process.env["XDG_CACHE_HOME"];
  else process.env["XDG_CACHE_HOME"] = before;
  rmSync(folder, { recursive: true, force: true });
});

function program(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text, { mode: 0o755 });
  return path;
}
const KUBE = program("kube", "#!/bin/sh\necho Kubernetes v1.36.3\n");
const K3S = program("k3s-1.36", k3sLike("v1.36.4+k3s1").toString());
/** Nobody listens there. */
const NOWHERE = "http://127.0.0.1:1/releases";

interface Chosen {
  readonly engine: Engine;
  readonly said: readonly string[];
}

async function choose(flags: Record<string, unknown>, cluster?: Cluster): Promise<Chosen> {
  const said: string[] = [];
  const dataDir = join(folder, "data");
  const config = await loadConfig({
    flags: { kubeBin: KUBE, k3sReleases: NOWHERE, dataDir, ...flags },
    env: {},
  });
  const engine = await chooseEngine(
    {
      config,
      cluster,
      paths: dataPathsFor(dataDir),
      clock: hostClock(),
      console: { step: (line) => void said.push(line), progress: () => {} },
    },
    new AbortController().signal,
  );
  return { engine, said };
}
const refusal = (...args: Parameters<typeof choose>): Promise<string> =>
  choose(...args).then(() => "", String);

test("where no K3s can be had the upstream parts are taken, and one sentence says why and how else", async () => {
  const { engine, said } = await choose({});

  expect(engine).toEqual({ name: "upstream", program: KUBE, version: "v1.36.3" });
  expect(said).toHaveLength(1);
  expect(said[0]).toMatch(
    /^taking engine upstream, since K3s .* refuses the connection; .*--engine k3s/,
  );
});

test("a K3s that is named is taken, and nothing else when it is none", async () => {
  const { engine } = await choose({ k3sBin: K3S });

  expect(engine).toEqual({ name: "k3s", program: K3S, version: "v1.36.4+k3s1" });
  expect(await refusal({ k3sBin: join(folder, "nowhere") })).toContain("is not an executable file");
});

test("a K3s that was named once is gone on with where no other can be had", async () => {
  const paths = dataPathsFor(join(folder, "data"));
  mkdirSync(paths.run, { recursive: true });
  writeFileSync(
    paths.controlPlaneFile,
    JSON.stringify({ engine: "k3s", version: "v1.36.4+k3s1", program: K3S }),
  );
  const { engine, said } = await choose({}, { ...CLUSTER, engine: "k3s" });
  rmSync(paths.controlPlaneFile);

  expect(engine.program).toBe(K3S);
  expect(said[0]).toContain("going on with what ran last");
});

test("who asks for K3s gets no other", async () => {
  expect(await refusal({ engine: "k3s" })).toContain("cannot be downloaded");
  expect((await choose({ engine: "upstream", k3sBin: K3S })).engine.name).toBe("upstream");
});

test("a cluster keeps its engine", async () => {
  const k3s: Cluster = { ...CLUSTER, engine: "k3s" };

  expect((await choose({}, CLUSTER)).engine.name).toBe("upstream");
  expect(await refusal({}, k3s)).toContain("cannot be downloaded");
  expect(await refusal({ engine: "k3s" }, CLUSTER)).toContain("has engine upstream, not k3s");
});

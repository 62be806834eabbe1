import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openCluster, readCluster, rememberClusterUid } from "./cluster.ts";
import { loadConfig } from "./config.ts";
import { type DataPaths, dataPathsFor } from "./paths.ts";

const folder = mkdtempSync(join(tmpdir(), "fks-cluster-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const freshPaths = (): DataPaths => dataPathsFor(join(folder, crypto.randomUUID()));
const FIRST = { engine: "upstream", apiPort: 6443 } as const;
const configWith = (flags: Record<string, unknown>) => loadConfig({ flags, env: {} });

test("network id and service range stay what the first start chose", async () => {
  const paths = freshPaths();
  const first = await openCluster(await configWith({ name: "demo" }), paths, FIRST);

  expect(first.networkId).toMatch(/^[0-9a-f]{8}$/);
  expect(first.serviceRange).toMatch(/^fdaa:[0-9a-f]+:[0-9a-f]+:0:1::\/112$/);
  expect(await openCluster(await configWith({}), paths, FIRST)).toEqual(first);
  expect(await readCluster(paths)).toEqual(first);
  expect(statSync(paths.clusterFile).mode & 0o777).toBe(0o600);
});

test("a region that is added comes last, so that no Node changes its address", async () => {
  const paths = freshPaths();
  await openCluster(await configWith({ regions: "lhr,ams" }), paths, FIRST);
  const { regions } = await openCluster(await configWith({ regions: "ams,cdg" }), paths, FIRST);

  expect(regions).toEqual(["lhr", "ams", "cdg"]);
});

test("another name, another control plane and a damaged file are refused in one sentence", async () => {
  const paths = freshPaths();
  expect(await readCluster(paths).catch(String)).toContain("no cluster in");
  await openCluster(await configWith({ name: "demo" }), paths, FIRST);
  await rememberClusterUid(paths, "uid-1");
  await rememberClusterUid(paths, "uid-1");

  expect(await rememberClusterUid(paths, "uid-2").catch(String)).toContain(
    "belongs to cluster uid-1",
  );
  expect(await openCluster(await configWith({ name: "x" }), paths, FIRST).catch(String)).toContain(
    "is named demo, not x",
  );
  writeFileSync(paths.clusterFile, "{");
  expect(await readCluster(paths).catch(String)).toContain("is damaged");
});

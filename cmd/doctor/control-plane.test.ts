import { afterEach, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { k3sFilesIn } from "#embedded/control-plane/k3s/files.ts";
import { issueCa, issueLeaf } from "#embedded/control-plane/upstream/certificates.ts";
import { fakeClock } from "#test/fakes/clock.ts";
import { CLUSTER } from "#test/fixtures/cluster.ts";
import { reportWith } from "#test/fixtures/status-report.ts";
import { loadConfig } from "../config.ts";
import { dataPathsFor } from "../paths.ts";
import { type ControlPlaneSources, controlPlaneChecks } from "./control-plane.ts";
import { outlookFor } from "./engine-outlook.ts";

const forever = new AbortController().signal;
const DAY_MS = 86_400_000;
const folders: string[] = [];

afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true });
});

const K3S = outlookFor({
  fixed: undefined,
  asked: "auto",
  isNamed: false,
  k3s: { from: "cache", path: "/cache/k3s" },
  otherK3s: undefined,
});
const RUNNING = {
  engine: "k3s",
  version: "v1.36.4+k3s1",
  program: "/usr/bin/k3s",
  proof: "proven against K3s' documented contract only",
} as const;

async function seen(id: string, more: Partial<ControlPlaneSources> = {}) {
  const sources: ControlPlaneSources = {
    config: await loadConfig({ flags: {}, env: {} }),
    paths: dataPathsFor("/x"),
    cluster: undefined,
    record: undefined,
    outlook: K3S,
    status: Promise.resolve(undefined),
    clock: fakeClock(),
    ...more,
  };
  return controlPlaneChecks(sources)
    .find((check) => check.id === `control-plane.${id}`)
    ?.look(forever);
}

test("the engine that runs is named with its version and how far it is proven", async () => {
  const status = Promise.resolve(reportWith({ controlPlane: RUNNING }));

  expect(await seen("engine", { status })).toEqual({
    outcome: "ok",
    observed: "k3s v1.36.4+k3s1 runs, /usr/bin/k3s; proven against K3s' documented contract only",
  });
});

test("before the first start the engine is named that would be taken, and why", async () => {
  expect(await seen("engine")).toMatchObject({
    outcome: "ok",
    observed: expect.stringMatching(/^k3s v1\.\d+\.\d+\+k3s\d, it is here; proven against K3s'/),
  });
  expect(await seen("k3s")).toEqual({ outcome: "ok", observed: "/cache/k3s, from the cache" });
});

test("another engine than the cluster's has failed", async () => {
  const config = await loadConfig({ flags: { engine: "k3s" }, env: {} });

  expect(await seen("engine", { config, cluster: CLUSTER })).toEqual({
    outcome: "failed",
    observed: "the cluster has upstream, k3s is asked for",
  });
});

test("another K3s on this host is no matter where upstream is taken", async () => {
  const otherK3s = "/etc/rancher/k3s/k3s.yaml is another K3s'";
  const prospects = { fixed: undefined, isNamed: false, k3s: K3S.k3s, otherK3s } as const;

  const asked = outlookFor({ ...prospects, asked: "k3s" });
  expect(await seen("k3s", { outlook: asked })).toEqual({ outcome: "failed", observed: otherK3s });
  const auto = outlookFor({ ...prospects, asked: "auto" });
  expect(await seen("k3s", { outlook: auto })).toMatchObject({ outcome: "skipped" });
});

test("K3s' own certificates that a start would have renewed are told of while it runs", async () => {
  const folder = mkdtempSync(join(tmpdir(), "fks-doctor-"));
  folders.push(folder);
  const paths = dataPathsFor(folder);
  const { tls } = k3sFilesIn(paths.k3s);
  const issuedAt = Date.now();
  const ca = await issueCa("ca", new Date(issuedAt));
  const request = { commonName: "a", usage: "server", names: [] } as const;
  const { cert } = await issueLeaf(ca, request, new Date(issuedAt));
  mkdirSync(tls, { recursive: true });
  writeFileSync(join(tls, "serving.crt"), cert);
  const cluster = { ...CLUSTER, engine: "k3s" } as const;
  const status = Promise.resolve(reportWith());
  const at = (days: number) => ({ ...fakeClock(), now: () => issuedAt + days * DAY_MS });

  expect(await seen("certificates", { paths, cluster, status, clock: at(100) })).toMatchObject({
    outcome: "ok",
    observed: "the first one ends in 264 days (serving.crt)",
  });
  expect(await seen("certificates", { paths, cluster, status, clock: at(300) })).toMatchObject({
    outcome: "failed",
  });
  expect(await seen("certificates", { paths, cluster, clock: at(300) })).toMatchObject({
    outcome: "ok",
    observed: "the first one ends in 64 days (serving.crt), the next start renews it",
  });
});

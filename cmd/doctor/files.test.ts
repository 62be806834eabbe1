import { afterEach, expect, test } from "bun:test";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { processIdentity } from "#adapters/host/process-identity.ts";
import { issueCa } from "#embedded/control-plane/upstream/certificates.ts";
import { fakeClock } from "#test/fakes/clock.ts";
import { dataPathsFor } from "../paths.ts";
import { fileChecks } from "./files.ts";

const forever = new AbortController().signal;
const folders: string[] = [];

afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true });
});

function dataDir(): string {
  const folder = mkdtempSync(join(tmpdir(), "fks-doctor-"));
  folders.push(folder);
  return folder;
}

async function seen(folder: string, id: string) {
  const checks = fileChecks(dataPathsFor(folder), fakeClock(), Promise.resolve(undefined));
  return checks.find((check) => check.id === id)?.look(forever);
}

test("a key that others may read is named, with the command that cures it", async () => {
  const folder = dataDir();
  const key = join(folder, "pki", "apiserver.key");
  mkdirSync(join(folder, "pki"));
  writeFileSync(key, "", { mode: 0o600 });
  expect(await seen(folder, "files.keys")).toEqual({ outcome: "ok", observed: "1 files" });

  chmodSync(key, 0o644);
  expect(await seen(folder, "files.keys")).toEqual({
    outcome: "failed",
    observed: `others may read ${key}`,
    remedy: `chmod 0600 ${key}`,
  });
});

test("a cluster.json that cannot be read is named, and how to go on", async () => {
  const folder = dataDir();
  expect(await seen(folder, "files.cluster")).toMatchObject({ outcome: "skipped" });

  writeFileSync(join(folder, "cluster.json"), "{");
  expect(await seen(folder, "files.cluster")).toMatchObject({
    outcome: "failed",
    observed: expect.stringContaining("cluster.json is damaged"),
  });
});

test("a data directory that others may write to has failed", async () => {
  const folder = dataDir();
  expect(await seen(folder, "files.data-dir")).toMatchObject({ outcome: "ok" });

  chmodSync(folder, 0o777);
  expect(await seen(folder, "files.data-dir")).toEqual({
    outcome: "failed",
    observed: "mode 0777",
  });
});

test("a living process that holds the lock and does not answer is named, a dead one is not", async () => {
  const folder = dataDir();
  const lock = join(folder, "lock");
  writeFileSync(lock, JSON.stringify({ pid: process.pid, startedAt: "another boot/1" }));
  expect(await seen(folder, "files.lock")).toMatchObject({ outcome: "ok" });

  writeFileSync(lock, JSON.stringify(processIdentity(process.pid)));
  expect(await seen(folder, "files.lock")).toEqual({
    outcome: "failed",
    observed: `process ${process.pid} holds it and does not answer`,
  });
});

test("before the first serve there is nothing to look at, and nothing is wrong", async () => {
  const checks = fileChecks(
    dataPathsFor("/nowhere/at/all"),
    fakeClock(),
    Promise.resolve(undefined),
  );
  const outcomes = await Promise.all(checks.map((check) => check.look(forever)));

  expect(new Set(outcomes.map(({ outcome }) => outcome))).toEqual(new Set(["skipped"]));
});

test("K3s' token and kubeconfig are for their owner alone, its certificates are counted", async () => {
  const folder = dataDir();
  const token = join(folder, "k3s/server/token");
  mkdirSync(join(folder, "k3s/server"), { recursive: true });
  writeFileSync(token, "", { mode: 0o600 });
  writeFileSync(join(folder, "k3s/k3s.yaml"), "", { mode: 0o644 });

  expect(await seen(folder, "files.keys")).toMatchObject({
    observed: `others may read ${join(folder, "k3s/k3s.yaml")}`,
  });
  chmodSync(join(folder, "k3s/k3s.yaml"), 0o600);
  expect(await seen(folder, "files.keys")).toEqual({ outcome: "ok", observed: "2 files" });

  mkdirSync(join(folder, "k3s/server/tls"));
  const ca = await issueCa("server-ca", new Date());
  writeFileSync(join(folder, "k3s/server/tls/server-ca.crt"), ca.certificate.toString("pem"));
  expect(await seen(folder, "files.certificates")).toMatchObject({ outcome: "ok" });
});

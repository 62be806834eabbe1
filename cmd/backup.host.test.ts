import { afterAll, describe, expect, test } from "bun:test";
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ENGINE_NAMES } from "#embedded/control-plane/engine.ts";
import { cachedKubePath } from "#embedded/control-plane/upstream/build.ts";
import { testEngine } from "#test/e2e/engine.ts";
import {
  type ControlPlaneRun,
  type DataDirOptions,
  fksNode,
  startControlPlane,
} from "#test/programs/control-plane-in-netns.ts";

/** `make setup` builds the executable, which takes too long inside a test. */
const kube = process.env["FKS_KUBE_BIN"] ?? cachedKubePath(process.env);
const cannotRun = process.getuid?.() !== 0 || !existsSync(kube);

const root = mkdtempSync(join(tmpdir(), "fks-backup-host-"));
const started: ControlPlaneRun[] = [];

afterAll(async () => {
  for (const it of started) await it.end("SIGTERM");
  rmSync(root, { recursive: true, force: true });
});

async function start(options: DataDirOptions): Promise<ControlPlaneRun> {
  const it = startControlPlane(options);
  started.push(it);
  await it.ready();
  return it;
}

const UID = ["get", "namespace", "kube-system", "-o", "jsonpath={.metadata.uid}"];

describe.skipIf(cannotRun).each(ENGINE_NAMES)("a real control plane, engine %s", (name) => {
  test("a backup made while it runs brings back what was deleted, here and on another host", async () => {
    const engine = await testEngine(name, join(root, "program"));
    const here = { dataDir: join(root, name), engine };
    const file = join(root, `${name}.tar`);
    const first = await start(here);
    await first.kubectl("create", "namespace", "precious");
    const uid = await first.kubectl(...UID);
    expect(await fksNode("backup", here, file)).toMatchObject({ exitCode: 0, stderr: "" });
    const busy = await fksNode("restore", here, file, "--yes");
    expect(busy.stderr).toContain(`is in use by process ${first.pid}`);
    await first.kubectl("delete", "namespace", "precious");
    expect(await first.end("SIGTERM")).toBe(0);

    const bytes = readFileSync(file);
    const damaged = join(root, `${name}-damaged.tar`);
    bytes[bytes.length - 100_000] = (bytes[bytes.length - 100_000] ?? 0) ^ 1;
    writeFileSync(damaged, bytes);
    const refused = await fksNode("restore", here, damaged, "--yes");
    expect(refused).toMatchObject({ exitCode: 2 });
    expect(refused.stderr).toContain("is damaged: state.db is not what was written");
    const robbed = { dataDir: join(root, `${name}-robbed`), engine };
    cpSync(here.dataDir, robbed.dataDir, { recursive: true });
    const key = name === "k3s" ? "tokens/k3s" : "pki/client-ca.key";
    for (const path of [key, ...(name === "k3s" ? ["k3s/server/token"] : [])]) {
      writeFileSync(join(robbed.dataDir, path), "another");
    }
    expect(await fksNode("restore", robbed, file, "--yes")).toMatchObject({ exitCode: 5 });

    expect(await fksNode("restore", here, file, "--yes")).toMatchObject({ exitCode: 0 });
    const second = await start(here);
    expect(await second.kubectl("get", "namespace", "precious")).toContain("Active");
    await second.end("SIGTERM");

    const there = { dataDir: join(root, `${name}-there`), engine };
    expect(await fksNode("restore", there, file)).toMatchObject({ exitCode: 0, stderr: "" });
    const third = await start(there);
    expect(await third.kubectl("get", "namespace", "precious")).toContain("Active");
    expect(await third.kubectl(...UID)).toBe(uid);
    expect(await third.end("SIGTERM")).toBe(0);
  }, 180_000);
});

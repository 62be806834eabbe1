import { afterAll, expect, test } from "bun:test";
import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readTextIfThere } from "#adapters/host/files.ts";
import { cachedKubePath } from "#embedded/control-plane/upstream/build.ts";
import type { TestEngine } from "#test/e2e/engine.ts";
import { eventually } from "#test/e2e/process.ts";
import {
  type ControlPlaneRun,
  fksNode,
  startControlPlane,
} from "#test/programs/control-plane-in-netns.ts";
import { installK3sShaped, type K3sShape } from "#test/programs/k3s-shaped.ts";

const kube = process.env["FKS_KUBE_BIN"] ?? cachedKubePath(process.env);
const cannotRun = process.getuid?.() !== 0 || !existsSync(kube);

const root = mkdtempSync(join(tmpdir(), "fks-upgrade-host-"));
const started: ControlPlaneRun[] = [];

afterAll(async () => {
  for (const it of started) await it.end("SIGTERM");
  rmSync(root, { recursive: true, force: true });
});

async function k3s(version: string, shape: K3sShape = {}): Promise<TestEngine> {
  const folder = join(root, `${version}-${shape.behaviour ?? "good"}`);
  const program = await installK3sShaped(folder, { version, ...shape, etc: join(root, "etc") });
  return { name: "k3s", program, env: { FKS_ENGINE: "k3s", FKS_K3S_BIN: program } };
}

test.skipIf(cannotRun)(
  "a version that cannot get ready leaves the data of the one before; one that can takes over",
  async () => {
    const dataDir = join(root, "data");
    const start = (engine: TestEngine): ControlPlaneRun => {
      const it = startControlPlane({ dataDir, engine });
      started.push(it);
      return it;
    };
    const old = await k3s("v1.36.4+k3s1");
    const bad = await k3s("v1.37.1+k3s1", { behaviour: "crash-at-start" });
    const good = await k3s("v1.37.1+k3s1");
    const first = start(old);
    await first.ready();
    await first.kubectl("create", "namespace", "precious");
    await first.end("SIGTERM");

    const { exitCode, output } = await start(bad).ended();
    expect(exitCode).toBe(8);
    expect(output).toContain("Kubernetes v1.36.4+k3s1 becomes v1.37.1+k3s1; the data before is in");
    expect(output).toContain("fks-node: upgrade to v1.37.1+k3s1 failed: k3s in 3 tries: exited");
    expect(output).toContain("something is wrong with this host");
    expect(output).toContain(
      `the data of v1.36.4+k3s1 is back: start it with --k3s-bin ${old.program}`,
    );

    const second = start(old);
    await second.ready();
    expect(await second.kubectl("get", "namespace", "precious")).toContain("Active");
    await second.end("SIGTERM");

    const third = start(good);
    await third.ready();
    expect(await third.kubectl("get", "namespace", "precious")).toContain("Active");
    await third.end("SIGTERM");
    const backups = readdirSync(join(dataDir, "backups")).toSorted();
    expect(backups).toHaveLength(2);
    const back = await start(old).ended();
    expect(back.exitCode).toBe(4);
    expect(back.output).toContain(
      "the data was written by Kubernetes v1.37.1+k3s1, this control plane is v1.36.4+k3s1: an older minor",
    );

    const backup = join(dataDir, "backups", backups[0] ?? "");
    const way = await fksNode("restore", { dataDir, engine: old }, backup, "--yes");
    expect(way).toMatchObject({ exitCode: 0, stderr: "" });
    const fourth = start(old);
    await fourth.ready();
    expect(await fourth.kubectl("get", "namespace", "precious")).toContain("Active");
    await fourth.end("SIGTERM");
  },
  180_000,
);

test.skipIf(cannotRun)(
  "an upgrade that is killed before it is done is nobody's data but the old version's",
  async () => {
    const dataDir = join(root, "killed");
    const old = await k3s("v1.36.4+k3s1");
    const late = await k3s("v1.37.1+k3s1", { behaviour: "never-ready" });
    const first = startControlPlane({ dataDir, engine: old });
    started.push(first);
    await first.ready();
    await first.kubectl("create", "namespace", "precious");
    await first.end("SIGTERM");

    const second = startControlPlane({ dataDir, engine: late });
    started.push(second);
    await eventually("the new version runs", async () => {
      const children = await readTextIfThere(join(dataDir, "run/children.json"));
      return children?.includes("k3s") === true ? true : undefined;
    });
    await second.end("SIGKILL");

    const third = startControlPlane({ dataDir, engine: old });
    started.push(third);
    await third.ready();
    expect(await third.kubectl("get", "namespace", "precious")).toContain("Active");
    await third.end("SIGTERM");
    expect((await third.ended()).output).toContain(
      "Kubernetes v1.37.1+k3s1 was never ready: the data of v1.36.4+k3s1 is back",
    );
  },
  180_000,
);

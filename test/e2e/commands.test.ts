import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Cluster, EXECUTABLE, startCluster } from "./cluster.ts";
import { CONTROL_PLANE_PARTS, ENGINE_NAME } from "./engine.ts";
import { eventually, run } from "./process.ts";

describe("the commands a person types", () => {
  let cluster: Cluster;
  let folder: string;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "fks-commands-"));
    cluster = await startCluster();
  });
  afterAll(async () => {
    await cluster.close();
    rmSync(folder, { recursive: true, force: true });
  });

  test("serve tells where the kubeconfig, the API and the status are, and how to stop", () => {
    const output = cluster.output();
    expect(output).toContain(join(cluster.dataDir, "kubeconfig"));
    expect(output).toMatch(/https:\/\/\[fdaa:[^\]]+\]:6443/);
    expect(output).toMatch(/Ctrl-C/);
  });

  test("the kubeconfig and every key are for their owner alone", async () => {
    expect(statSync(join(cluster.dataDir, "kubeconfig")).mode & 0o777).toBe(0o600);
    const keys = [...new Bun.Glob("**/*.key").scanSync(cluster.dataDir)];
    expect(keys.length).toBeGreaterThan(3);
    for (const key of keys) {
      expect([key, statSync(join(cluster.dataDir, key)).mode & 0o777]).toEqual([key, 0o600]);
    }
  });

  test("status says that all is well, for people and for programs", async () => {
    const report = await eventually("all roles are ready", async () => {
      const { stdout, exitCode } = await cluster.fks(["status", "-o", "json"]);
      return exitCode === 0 ? JSON.parse(stdout) : undefined;
    });
    expect(report.controlPlane).toMatchObject({ engine: ENGINE_NAME });
    const parts = report.parts.map(({ name }: { name: string }) => name);
    expect(parts).toEqual(expect.arrayContaining([...CONTROL_PLANE_PARTS[ENGINE_NAME]]));
    expect((await cluster.fks(["status"])).stdout).toContain("kubelet");
  });

  test("doctor finds nothing wrong with a healthy cluster", async () => {
    await eventually("doctor is content", async () => {
      const { stdout, exitCode } = await cluster.fks(["doctor", "-o", "json"]);
      if (exitCode !== 0) throw new Error(stdout);
      return true;
    });
  });

  test("a second serve on the same data directory names the first one", async () => {
    const { stdout, stderr, exitCode } = await cluster.fks(["serve"]);
    expect(exitCode).not.toBe(0);
    expect(`${stdout}${stderr}`).toContain(String(cluster.pid()));
    expect(`${stdout}${stderr}`).not.toContain("    at ");
  });

  test("kubectl works without a kubectl on the machine", async () => {
    const ran = await run(
      [EXECUTABLE, "kubectl", "--data-dir", cluster.dataDir, "get", "nodes", "-o", "name"],
      { env: { ...cluster.env, PATH: "/nowhere" } },
    );
    expect(ran.stdout).toBe("node/local-a\nnode/local-b\n");
    expect(ran.exitCode).toBe(0);
  });

  test("kubeconfig merges into a file, keeps what is there, and removes itself again", async () => {
    const target = join(folder, "config");
    const other = `apiVersion: v1\nkind: Config\ncurrent-context: other\nclusters:\n- name: other\n  cluster: { server: "https://other" }\ncontexts:\n- name: other\n  context: { cluster: other, user: other }\nusers:\n- name: other\n  user: { token: t }\n`;
    writeFileSync(target, other, { mode: 0o600 });
    const env = { KUBECONFIG: target };
    expect(await cluster.fks(["kubeconfig", "merge"], { env })).toMatchObject({ exitCode: 0 });
    const contexts = await cluster.kubectl(["config", "get-contexts", "-o", "name"], { env });
    expect(contexts.trim().split("\n").toSorted()).toEqual(["fks-local", "other"]);
    expect(
      await cluster.kubectl(["--context=fks-local", "get", "nodes", "-o", "name"], { env }),
    ).toContain("local-a");
    expect(await cluster.fks(["kubeconfig", "remove"], { env })).toMatchObject({ exitCode: 0 });
    expect(await cluster.kubectl(["config", "get-contexts", "-o", "name"], { env })).toBe(
      "other\n",
    );
  });

  test("translate prints the Machine's configuration, or every field that cannot be carried", async () => {
    const good = join(folder, "good.yaml");
    writeFileSync(
      good,
      "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: {containers: [{name: a, image: b}]}\n",
    );
    const translated = await run([EXECUTABLE, "translate", "-f", good]);
    expect(translated.exitCode).toBe(0);
    expect(JSON.parse(translated.stdout)).toMatchObject({
      containers: [{ name: "a", image: "b" }],
    });

    const bad = join(folder, "bad.yaml");
    writeFileSync(
      bad,
      "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: {hostIPC: true, hostPID: true, containers: [{name: a, image: b}]}\n",
    );
    const refused = await run([EXECUTABLE, "translate", "-f", bad]);
    expect(refused.exitCode).not.toBe(0);
    expect(`${refused.stdout}${refused.stderr}`).toContain("hostPID");
    expect(`${refused.stdout}${refused.stderr}`).toContain("hostIPC");
  });

  test.each([
    ["a misspelt option", ["serve", "--data-dri", "x"], "--data-dir"],
    ["a misspelt command", ["sevre"], "serve"],
    ["an option with a wrong value", ["serve", "--machines", "cloud"], "embedded"],
    ["an archive that is not there", ["image", "load", "/nowhere.tar"], "/nowhere.tar"],
    [
      "a file to translate that is not there",
      ["translate", "-f", "/nowhere.yaml"],
      "/nowhere.yaml",
    ],
    ["status of nothing", ["status", "--data-dir", "/nowhere"], "serve"],
  ])("%s gets one clear sentence and no stack trace", async (_what, args, expected) => {
    const { stdout, stderr, exitCode } = await run([EXECUTABLE, ...args]);
    expect(exitCode).not.toBe(0);
    expect(`${stdout}${stderr}`).toContain(expected);
    expect(`${stdout}${stderr}`).not.toMatch(/^\s+at /m);
  });

  test("a reader that leaves early is no failure", async () => {
    const piped = `{ sleep 0.2; ${EXECUTABLE} config; } | true`;
    const { stderr } = await run(["sh", "-c", piped]);
    expect(stderr).toBe("");
  });

  test("every command explains itself with an example", async () => {
    const { stdout } = await run([EXECUTABLE, "--help"]);
    const commands = [...stdout.matchAll(/^ {2}([a-z][a-z-]+)\b/gm)].map(([, name]) => name ?? "");
    expect(commands).toContain("serve");
    for (const command of commands.filter((name) => name !== "help")) {
      const help = await run([EXECUTABLE, command, "--help"]);
      expect([command, help.stdout]).toEqual([command, expect.stringContaining("Example")]);
    }
  });
});

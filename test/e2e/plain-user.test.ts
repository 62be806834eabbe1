import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { chownSync, copyFileSync, existsSync, mkdirSync, realpathSync, rmSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { EXECUTABLE } from "./cluster.ts";
import { ENGINE_NAME } from "./engine.ts";
import { type Host, type Life, ownHost } from "./host.ts";

/** Nobody else's on this host, so that every file of it is one that the test has made. */
const UID = 60_000 + (process.pid % 5_000);
const AS_USER = ["setpriv", `--reuid=${UID}`, `--regid=${UID}`, "--clear-groups"];
const ELSEWHERE = ["/etc", "/run", "/var", "/tmp", "/home", "/dev/shm"];

describe("the control plane alone, as a plain user", () => {
  let host: Host;
  let env: Readonly<Record<string, string>>;
  let executable: string;
  let life: Life;

  beforeAll(async () => {
    host = await ownHost(undefined, ENGINE_NAME);
    mkdirSync(host.dataDir, { mode: 0o700 });
    chownSync(host.dataDir, UID, UID);
    // What was built may lie where only root gets to.
    executable = join(host.folder, "fks-node");
    copyFileSync(EXECUTABLE, executable);
    env = { HOME: "/nonexistent", ...(await engineForAll(host)) };
  });
  afterAll(() => host[Symbol.asyncDispose]());

  const start = (command: string): Life =>
    host.start([command], { env, executable, prefix: AS_USER });

  test("serve needs root, and says what for", async () => {
    const refused = start("serve");
    expect(await refused.ended()).toBe(6);
    expect(refused.output()).toBe(
      "fks-node: serve needs root: it makes network namespaces, addresses and containers; try sudo\n",
    );
  });

  test("an address that only root can make is asked for, with the command that makes it", async () => {
    const refused = start("control-plane");
    expect(await refused.ended()).toBe(6);
    const sentence =
      /^fks-node: addresses of this cluster are missing on this host, and only root may add them: (.*)$/m;
    const commands = sentence.exec(refused.output())?.[1]?.split("; ") ?? [];
    expect(commands).toHaveLength(3);
    for (const command of commands) {
      expect(await host.inside(command.split(" "))).toMatchObject({ exitCode: 0 });
    }
  });

  test("it runs once the address is there, and writes nothing outside its data directory", async () => {
    life = start("control-plane");
    await life.ready();
    expect((await host.kubectl("get", "--raw", "/readyz")).stdout).toBe("ok");
    expect(await host.kubectl("create", "namespace", "kept")).toMatchObject({ exitCode: 0 });
    if (ENGINE_NAME === "k3s") {
      // What K3s keeps in /etc when it is root, it keeps here with --rootless.
      const password = "k3s/agent/etc/rancher/node/password";
      expect(existsSync(join(host.dataDir, password))).toBe(true);
    }
    const find = ["find", ...ELSEWHERE, "-xdev", "-uid", `${UID}`, "-not", "-path"];
    const { stdout } = await host.inside([...find, `${host.dataDir}*`]);
    expect(stdout).toBe("");
  });

  test("it ends when it is told to, leaves what root has made, and starts again", async () => {
    expect(await life.stop()).toMatchObject({ exitCode: 0 });
    life = start("control-plane");
    await life.ready();
    const kept = await host.kubectl("get", "namespace", "kept", "-o", "name");
    expect(kept.stdout).toBe("namespace/kept\n");
  });
});

/** The engine where a plain user gets to it: what makes fks-node take it. */
async function engineForAll({ folder, engine }: Host): Promise<Readonly<Record<string, string>>> {
  const [variable] = Object.keys(engine.env).filter((name) => name.endsWith("_BIN"));
  const beside = join(dirname(engine.program), "kube");
  if (engine.name === "k3s" && existsSync(beside)) {
    const kube = realpathSync(beside);
    rmSync(beside);
    copyFileSync(kube, beside);
    return engine.env;
  }
  const program = join(folder, basename(engine.program));
  copyFileSync(engine.program, program);
  return { ...engine.env, [variable ?? ""]: program };
}

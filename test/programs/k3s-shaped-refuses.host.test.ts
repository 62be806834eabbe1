import { describe, expect, test } from "bun:test";
import {
  chmodSync,
  chownSync,
  copyFileSync,
  existsSync,
  readlinkSync,
  realpathSync,
  rmSync,
} from "node:fs";
import { join } from "node:path";
import { cannotRunK3s, type K3sHost, k3sHost, partsOf } from "./k3s-in-netns.ts";

describe.skipIf(cannotRunK3s)("a stand-in for K3s that is asked for what cannot be", () => {
  test.each([
    ["an unknown flag", ["--no-such-flag"], {}, /flag provided but not defined: -no-such-flag/],
    [
      "a range that is none",
      ["--service-cidr=fdaa/x"],
      {},
      /level=fatal .*invalid service-cidr fdaa\/x/,
    ],
    ["a stray K3S_URL", [], { K3S_URL: "https://[::1]:1" }, /level=fatal .*failed to get CA certs/],
    ["a stray K3S_CONFIG_FILE", [], { K3S_CONFIG_FILE: "/nowhere" }, /level=fatal .*\/nowhere/],
    ["a kubelet", ["--disable-agent=false"], {}, /level=fatal .*without --disable-agent/],
  ] as const)("says so and ends with 1: %s", async (_, more, env, words) => {
    await using host = await k3sHost();
    const k3s = host.start({ args: host.args(...more), env });
    expect(await k3s.ended()).toBe(1);
    expect(k3s.log()).toMatch(words);
  });

  test.each([
    [
      "an unknown argument of a part",
      ["--kube-apiserver-arg=no-such=1"],
      /unknown flag: --no-such/,
    ],
    [
      "an advertised address of another family",
      ["--advertise-address=192.0.2.1"],
      /Shutdown request received: .*must match public address family/,
    ],
    [
      "a controller that does not exist",
      ["--kube-controller-manager-arg=controllers=*,-nothing"],
      /is not in the list of known controllers/,
    ],
  ] as const)(
    "says so and ends with 0, as a part of it would: %s",
    async (_, more, words) => {
      await using host = await k3sHost();
      const k3s = host.start({ args: host.args(...more) });
      expect(await k3s.ended()).toBe(0);
      expect(k3s.log()).toMatch(words);
      expect(k3s.log()).toContain("Shutdown request received");
    },
    60_000,
  );

  test("ends with 0 where Nodes are to get ranges out of a network that is too wide", async () => {
    await using host = await k3sHost();
    const ours = /^--kube-controller-manager-arg=(controllers|allocate-node-cidrs)=/;
    const args = host.args("--cluster-cidr=fdaa::/32").filter((arg) => !ours.test(arg));
    const k3s = host.start({ args });
    expect(await k3s.ended()).toBe(0);
    expect(k3s.log()).toMatch(/Shutdown request received: .*controller-manager exited/);
  }, 60_000);

  test("does not know controllers of clouds from 1.37 on", async () => {
    await using host = await k3sHost({ version: "v1.37.1+k3s1" });
    const k3s = host.start();
    expect(await k3s.ended()).toBe(0);
    expect(k3s.log()).toMatch(/Shutdown request received: .*route.* is not in the list of known/);
  }, 60_000);

  test("needs a node's address where no route leads out", async () => {
    await using host = await k3sHost();
    const k3s = host.start({ args: host.args().filter((arg) => !arg.startsWith("--node-ip")) });
    expect(await k3s.ended()).toBe(1);
    expect(k3s.log()).toContain("no default routes found");
  });

  test("cannot listen where another program does", async () => {
    await using host = await k3sHost({ behaviour: "never-ready" });
    const blocker = host.start();
    await blocker.says(/Polling for API server/);
    const other = await k3sHost();
    await using _ = other;
    const script =
      'Bun.listen({ hostname: "fdaa:1:2::3", port: 7443, socket: { data() {} } }); console.log("listens")';
    const holder = Bun.spawn(
      ["nsenter", `--net=/proc/${blocker.process.pid}/ns/net`, process.execPath, "-e", script],
      { stdout: "pipe" },
    );
    await holder.stdout.getReader().read();
    const k3s = other.start({ beside: blocker, args: other.args("--https-listen-port=7443") });
    expect(await k3s.ended()).toBe(1);
    expect(k3s.log()).toMatch(/level=fatal .*:7443: bind: address already in use/);
    holder.kill();
    await holder.exited;
  }, 60_000);

  test("never starts its scheduler without --disable-cloud-controller", async () => {
    await using host = await k3sHost();
    const args = host.args().filter((arg) => arg !== "--disable-cloud-controller");
    const k3s = host.start({ args });
    await k3s.ready();
    expect(k3s.log()).toContain("Waiting for untainted node");
    expect(partsOf(k3s.process.pid, "scheduler")).toEqual([]);
    expect(partsOf(k3s.process.pid, "controller-manager")).toHaveLength(1);
  }, 60_000);

  test("reaches no node while its egress goes through agents", async () => {
    await using host = await k3sHost();
    const k3s = host.start({ args: host.args("--egress-selector-mode=agent") });
    await k3s.ready();
    const log = await k3s.getAsAdmin("/api/v1/namespaces/default/pods/web/log");
    expect(log.status).toBe(502);
    expect(log.body).toContain("failed to find Session for client");
    expect((await k3s.getAsAdmin("/api/v1/namespaces/default/pods")).status).toBe(200);
  }, 60_000);

  test("of a plain user waits for ever unless it is rootless", async () => {
    await using host = await k3sHost({ etc: "/etc/fks-not-writable/rancher" });
    openTo(host, 65_534);
    const prefix = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];
    const plain = host.start({
      prefix,
      args: host.plainArgs().filter((arg) => arg !== "--rootless"),
    });
    await plain.says(/Waiting to retrieve agent configuration; .*permission denied/);
    expect((await plain.get("/ping")).status).toBe(200);
    expect((await plain.getAsAdmin("/readyz")).status).toBe(503);
    expect((await plain.stop()).exitCode).toBe(0);

    const rootless = host.start({ prefix, args: host.plainArgs() });
    await rootless.ready();
    expect(existsSync(join(host.files.folder, "agent/etc/rancher/node/password"))).toBe(true);
    expect(readlinkSync(join(host.files.home, ".kube/k3s.yaml"))).toBe(host.files.kubeconfig);
  }, 60_000);

  test("built from source ends when nobody brings its role", async () => {
    await using host = await k3sHost({ sourceBuild: true, rbacWaitSeconds: 0 });
    const k3s = host.start();
    expect(await k3s.ended()).toBe(0);
    expect(k3s.log()).toMatch(/Shutdown request received: .*system:k3s-controller/);
  }, 60_000);
});

/** Lets a plain user run it and own its data. */
function openTo({ folder, files, tokenFile }: K3sHost, uid: number): void {
  chmodSync(folder, 0o755);
  // The parts' own executable may lie where only root gets to.
  const program = join(folder, "bin/kube");
  const kube = realpathSync(program);
  rmSync(program);
  copyFileSync(kube, program);
  for (const path of [tokenFile, files.folder, files.home, files.config]) chownSync(path, uid, uid);
}

/** What a person is told, and what happens, when K3s does not do what it should: the stand-in behaves badly. */
import { describe, expect, test } from "bun:test";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { processIdentity } from "#adapters/host/process-identity.ts";
import { partsOf } from "#test/programs/k3s-in-netns.ts";
import { shapeK3s } from "#test/programs/k3s-shaped.ts";
import { EXECUTABLE, startCluster } from "./cluster.ts";
import { type Host, ownHost, pidOf } from "./host.ts";
import { loadImages } from "./images.ts";
import { isRunning, lifeOf, podOf, podWhen } from "./objects.ts";
import { eventually } from "./process.ts";

const isAlive = (pid: number): boolean => processIdentity(pid) !== undefined;

/** Waits until status gives this as the reason why K3s is not ready. */
async function tellsWhy(host: Host, reason: RegExp): Promise<void> {
  await eventually(`${reason}`, async () => {
    const part = await host.part("k3s");
    if (reason.test(part.reason ?? "")) return true;
    throw new Error(part.reason ?? "no reason");
  });
}

/** Waits until status has this alarm, and sees doctor fail for it. */
async function tellsAlarm(host: Host, kind: string, sentence: RegExp): Promise<void> {
  const line = new RegExp(
    `^ {2}✗ ${kind}: ${sentence.source}.* \\(\\d+ times, last \\d+s ago\\)$`,
    "m",
  );
  await eventually(`${line}`, async () => {
    const { stdout } = await host.fks("status");
    if (line.test(stdout)) return true;
    throw new Error(stdout);
  });
  const doctor = await host.fks("doctor");
  expect(doctor.exitCode).toBe(1);
  expect(doctor.stdout).toMatch(new RegExp(`^✗ control-plane\\.datastore .*${kind}: `, "m"));
}

describe.concurrent("K3s in trouble", () => {
  test("a start that takes 90 seconds is within the limit, and status says where it is", async () => {
    await using host = await ownHost({ behaviour: "slow-start" });
    const life = host.start(["control-plane"]);
    await tellsWhy(host, /^waiting for the API: answers 503: apiserver not ready$/);
    await life.ready(150_000);
    expect(life.output()).toMatch(/ k3s is ready after 9\d\.\d s$/m);
    expect(life.output()).not.toContain("died");
  });

  test("when it takes connections and answers nothing it is killed after a minute, and starts again", async () => {
    await using host = await ownHost({ behaviour: "deaf-after-ready", delaySeconds: 2 });
    const life = host.start(["control-plane"]);
    await life.ready();
    await tellsWhy(host, /^waiting for its supervisor: no answer within 3 s$/);
    await shapeK3s(host.engine.program, {});
    await life.says(
      / ! k3s died: silent for 60 s: waiting for its supervisor: no answer within 3 s;/,
      90_000,
    );
    await life.says(/ k3s is ready again after /);
  });

  test("one that crashes at its start is told in its own words, tried ever more seldom, and taken when it is well", async () => {
    await using host = await ownHost({ behaviour: "crash-at-start" });
    const life = host.start(["control-plane"]);
    const words =
      "exited with 1: Error: starting kubernetes: preparing server: something is wrong with this host";
    await life.says(
      new RegExp(` ! k3s keeps dying: ${words}; starts again in 4\\.0 s; its log: /`),
    );
    const waits = [...life.output().matchAll(/starts again in (\S+) s;/g)].map(([, s]) => s);
    expect(waits.slice(0, 5)).toEqual(["0.3", "0.5", "1.0", "2.0", "4.0"]);

    expect(await host.part("k3s")).toMatchObject({ isCrashLoop: true, reason: words });
    const status = await host.fks("status");
    expect(status.exitCode).toBe(1);
    expect(status.stdout).toMatch(new RegExp(`waiting, ${words}, died [5-9] times$`, "m"));
    const doctor = await host.fks("doctor");
    expect(doctor.exitCode).toBe(1);
    expect(doctor.stdout).toContain(`k3s: keeps dying: ${words}`);

    await shapeK3s(host.engine.program, {});
    await life.ready();
    expect(life.output()).toContain("k3s is ready");
  });

  test.each([
    ["never-ready", "waiting for the API: answers 503: apiserver not ready"],
    ["controllers-never-ready", "waiting for its controllers: answers 503: core not ready"],
    ["unauthorized", "waiting for the API: refuses our credentials (401)"],
  ])("%s is started anew after the limit, and the step it hung at is named", async (...given) => {
    const [behaviour, reason] = given;
    await using host = await ownHost({ behaviour });
    const life = host.start(["control-plane", "--start-timeout", "10"]);
    const literally = RegExp.escape(reason);
    await tellsWhy(host, new RegExp(`^${literally}$`));
    // On a busy host the limit may be over by then.
    const line = `^ {2}✗ k3s +(starting, |waiting, not ready within 10 s: )${literally}, `;
    expect((await host.fks("status")).stdout).toMatch(new RegExp(line, "m"));
    await life.says(new RegExp(` ! k3s died: not ready within 10 s: ${literally}; starts again`));
  });

  test("a start slower than --start-timeout is cut and tried again, and a quicker one is taken", async () => {
    await using host = await ownHost({ behaviour: "slow-start", delaySeconds: 20 });
    const life = host.start(["control-plane", "--start-timeout", "10"]);
    await tellsWhy(host, /503/);
    await shapeK3s(host.engine.program, { behaviour: "slow-start", delaySeconds: 1 });
    await life.says(/ ! k3s died: not ready within 10 s: waiting for the API: /);
    await life.says(/ k3s is ready again after /);
  });

  test("one that ignores SIGTERM is killed after its grace, and serve ends in time", async () => {
    await using host = await ownHost({ behaviour: "ignore-sigterm" });
    const life = host.start(["serve", "--runtime", "none"]);
    await life.ready();
    const pid = await pidOf(host);
    const { exitCode, tookMs } = await life.stop();
    expect(exitCode).toBe(0);
    expect(tookMs).toBeWithin(10_000, 15_000);
    expect(isAlive(pid)).toBe(false);
    expect(life.output()).toEndWith("stopped\n");
  });

  test("one that ends with 0 because a component failed has died, is told so, and no Pod notices", async () => {
    const cluster = await startCluster([], { engine: "k3s", shape: {} });
    try {
      await loadImages(cluster);
      await cluster.apply(podOf("web"));
      const before = lifeOf(await podWhen(cluster, "web", isRunning));
      const k3s = await cluster.part("k3s");
      const [failing = 0] = partsOf(k3s.pid ?? 0, "controller-manager");
      process.kill(failing, "SIGKILL");
      await eventually("it is ready again", async () =>
        / k3s is ready again after /.test(cluster.output()) ? true : undefined,
      );

      expect(cluster.output()).toMatch(
        / ! k3s died: exited with 0: Shutdown request received: "controller-manager exited: signal: killed"; starts again in 0\.3 s/,
      );
      expect(await cluster.part("k3s")).toMatchObject({ restarts: 1, ready: true });
      expect(lifeOf(await podWhen(cluster, "web", isRunning))).toEqual(before);
      expect(await cluster.kubectl(["exec", "web", "--", "echo", "alive"])).toBe("alive\n");
    } finally {
      await cluster.close();
    }
  });

  test.each([
    ["panic-after-ready", "exited with 2: panic: runtime error: invalid memory address"],
    ["killed-after-ready", "killed by SIGKILL"],
  ])("%s is told, and it is back by itself", async (behaviour, words) => {
    await using host = await ownHost({ behaviour, delaySeconds: 2 });
    const life = host.start(["control-plane"]);
    await life.ready();
    await shapeK3s(host.engine.program, {});
    await life.says(new RegExp(` ! k3s died: ${words}`));
    await life.says(/ k3s is ready again after /);
  });

  test("kubeconfigs of another life mislead nobody: K3s' own is not read, ours is gone until the API answers", async () => {
    await using host = await ownHost({ behaviour: "stale-kubeconfig" });
    const first = host.start(["control-plane"]);
    await first.ready();
    expect(readFileSync(join(host.dataDir, "k3s/k3s.yaml"), "utf8")).toContain(":1\n");
    expect((await host.kubectl("get", "--raw", "/readyz")).stdout).toBe("ok");
    await first.stop();

    await shapeK3s(host.engine.program, { behaviour: "slow-start", delaySeconds: 4 });
    const ours = join(host.dataDir, "kubeconfig");
    writeFileSync(ours, readFileSync(ours, "utf8").replaceAll(":6443", ":1"));
    const second = host.start(["control-plane"]);
    await tellsWhy(host, /503/);
    expect(existsSync(ours)).toBe(false);
    const early = [EXECUTABLE, "kubectl", "--data-dir", host.dataDir, "get", "nodes"];
    expect(await host.inside(early)).toMatchObject({
      exitCode: 8,
      stderr: `fks-node: ${ours} is not there yet: fks-node serve writes it once the API server is ready\n`,
    });
    await second.ready();
    expect((await host.kubectl("get", "--raw", "/readyz")).stdout).toBe("ok");
  });

  test("a datastore that is locked is told as K3s tells it, and as an alarm", async () => {
    await using host = await ownHost({ behaviour: "datastore-locked" });
    const life = host.start(["control-plane"]);
    await life.says(
      / ! k3s died: exited with 1: Error: .*setup db: database is locked; starts again/,
    );
    await shapeK3s(host.engine.program, { behaviour: "datastore-stays-locked" });
    await tellsWhy(host, /^waiting for the API: answers 503: apiserver not ready$/);
    await tellsAlarm(
      host,
      "locked",
      /its file was locked by somebody else for longer than it waits/,
    );
  });

  test.each([
    ["slow-sql", {}, "very-slow-sql", /statements took 5 s or longer/],
    [
      "compact-failed",
      { message: "Compact failed: failed to compact to revision 1000: context deadline exceeded" },
      "compact-failed",
      /old revisions could not be removed, so the datastore only grows/,
    ],
    // What keeps it from its work is what a person can end.
    ["compact-failed", {}, "locked", /its file was locked by somebody else/],
  ])(
    "what its log says of a datastore in need is in status and fails doctor: %s %j",
    async (...given) => {
      const [behaviour, shape, kind, sentence] = given;
      await using host = await ownHost({ behaviour, ...shape });
      await host.start(["control-plane"]).ready();
      await tellsAlarm(host, kind, sentence);
    },
  );

  test("a version that nobody has tried is refused by name", async () => {
    await using host = await ownHost({ version: "v1.33.9+k3s1" });
    const old = host.start(["control-plane"]);
    expect(await old.ended()).toBe(9);
    expect(old.output()).toEndWith(
      `fks-node: ${host.engine.program} is K3s v1.33.9+k3s1, and fks-node knows 1.34 to 1.37\n`,
    );
  });
});

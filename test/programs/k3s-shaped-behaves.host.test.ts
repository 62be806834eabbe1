import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { eventually } from "#test/e2e/process.ts";
import { cannotRunK3s, k3sHost } from "./k3s-in-netns.ts";
import { shapeK3s } from "./k3s-shaped.ts";

describe.skipIf(cannotRunK3s)("a stand-in for K3s that behaves badly", () => {
  test.each([
    ["crash-at-start", 1, /level=fatal msg="Error: starting kubernetes: preparing server: /],
    ["datastore-locked", 1, /level=fatal .*database is locked"/],
    [
      "exit-0-after-failure",
      0,
      /level=error msg="Shutdown request received: \\"controller-manager/,
    ],
    ["panic-after-ready", 2, /^panic: runtime error: .*\n\ngoroutine \d+/m],
    ["killed-after-ready", 137, /k3s is up and running/],
  ] as const)(
    "%s ends with %i",
    async (behaviour, exitCode, words) => {
      await using host = await k3sHost({ behaviour, delaySeconds: 0 });
      const k3s = host.start();
      expect(await k3s.ended()).toBe(exitCode);
      expect(k3s.log()).toMatch(words);
    },
    60_000,
  );

  test("refuse-data takes a new data directory and refuses another version's", async () => {
    await using host = await k3sHost({ version: "v1.36.3+k3s1", behaviour: "never-ready" });
    const old = host.start();
    await old.says(/Polling for API server/);
    await old.stop();
    await shapeK3s(host.executable, { version: "v1.36.4+k3s1", behaviour: "refuse-data" });
    const k3s = host.start();
    expect(await k3s.ended()).toBe(1);
    expect(k3s.log()).toContain("cannot use the data of another version");
  });

  test.each([
    ["never-ready", [200, 503, 503]],
    ["datastore-stays-locked", [200, 503, 503]],
    ["slow-start", [200, 503, 503]],
    ["controllers-never-ready", [200, 200, 503]],
    ["unauthorized", [200, 401, 200]],
  ] as const)(
    "%s answers its three probes with %p",
    async (behaviour, wanted) => {
      await using host = await k3sHost({ behaviour });
      const k3s = host.start();
      const text = wanted.join(" ");
      await eventually(
        text,
        async () => ((await k3s.probes()).join(" ") === text ? true : undefined),
        { explain: async () => k3s.log() },
      );
      expect((await k3s.stop()).exitCode).toBe(0);
    },
    60_000,
  );

  test("slow-start is ready after its time", async () => {
    await using host = await k3sHost({ behaviour: "slow-start", delaySeconds: 1 });
    await host.start().ready();
  }, 60_000);

  test.each([
    ["slow-sql", /level=warning msg="Slow SQL: SELECT.* duration=6.2s name=ListCurrent$/m],
    ["compact-failed", /level=error msg="Compact failed: /],
  ] as const)(
    "%s is ready and says so",
    async (behaviour, words) => {
      await using host = await k3sHost({ behaviour });
      const k3s = host.start();
      await k3s.ready();
      await k3s.says(words);
    },
    60_000,
  );

  test("stale-kubeconfig leaves one that leads nowhere", async () => {
    await using host = await k3sHost({ behaviour: "stale-kubeconfig" });
    const k3s = host.start();
    await k3s.ready();
    expect(readFileSync(host.files.kubeconfig, "utf8")).toContain("https://[fdaa:1:2::3]:1\n");
  }, 60_000);

  test("ignore-sigterm ends only when it is killed", async () => {
    await using host = await k3sHost({ behaviour: "ignore-sigterm" });
    const k3s = host.start();
    await k3s.ready();
    k3s.process.kill("SIGTERM");
    await k3s.ready();
    k3s.process.kill("SIGKILL");
    expect(await k3s.process.exited).toBe(137);
  }, 60_000);

  test("deaf-after-ready takes connections and answers nothing", async () => {
    await using host = await k3sHost({ behaviour: "deaf-after-ready", delaySeconds: 1 });
    const k3s = host.start();
    await k3s.ready();
    await eventually("silence", async () =>
      k3s.get("/ping", "timeout=1000").then(
        () => undefined,
        (error: Error) => /timed out/i.test(error.message) || undefined,
      ),
    );
  }, 60_000);
});

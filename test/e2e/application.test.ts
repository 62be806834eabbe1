import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { Service } from "#core/kube/service.ts";
import { type Cluster, startCluster } from "./cluster.ts";
import {
  GUESTBOOK_IMAGE,
  GUESTBOOK_MISSING,
  guestbook,
  loadGuestbook,
  NAMESPACE,
} from "./guestbook.ts";
import { podOf } from "./objects.ts";
import { eventually, type Ran } from "./process.ts";

const CLIENTS = 4;
const WORKLOADS = [
  "statefulset/database",
  "deployment/redis-leader",
  "deployment/redis-follower",
  "deployment/web",
];

describe.skipIf(GUESTBOOK_MISSING !== undefined)(
  `an application of several tiers (${GUESTBOOK_MISSING ?? "PostgreSQL and Redis are Debian's"})`,
  () => {
    let cluster: Cluster;
    let url: string;

    beforeAll(async () => {
      cluster = await startCluster();
      await loadGuestbook(cluster);
      await cluster.kubectl(["create", "namespace", NAMESPACE]);
      const items = [
        ...guestbook(),
        podOf("stranger", {
          namespace: NAMESPACE,
          container: { image: GUESTBOOK_IMAGE, command: ["sleep", "86400"] },
        }),
      ];
      const list = JSON.stringify({ apiVersion: "v1", kind: "List", items });
      await there(["apply", "-f", "-"], list);
      for (const one of WORKLOADS) await there(["rollout", "status", one, "--timeout=90s"]);
      url = await eventually("the LoadBalancer has an address", async () => {
        const { status } = await cluster.get<Service>("service", "web", "-n", NAMESPACE);
        const [first] = status.loadBalancer.ingress;
        return first?.ip === undefined ? undefined : `http://${first.ip}/cgi-bin`;
      });
    });
    afterAll(() => cluster.close());

    const there = (args: readonly string[], stdin = ""): Promise<string> =>
      cluster.kubectl(["-n", NAMESPACE, ...args], { stdin, timeoutMs: 100_000 });
    const page = async (path: string, init?: RequestInit): Promise<string> => {
      const signal = AbortSignal.timeout(10_000);
      return (await fetch(`${url}/${path}`, { ...init, keepalive: false, signal })).text();
    };
    const inPod = (pod: string, ...command: readonly string[]): Promise<Ran> =>
      cluster.tryKubectl(["-n", NAMESPACE, "exec", pod, "--", "timeout", "5", ...command]);

    test("what is written by the front is in the database, and read from Redis' followers", async () => {
      const texts = ["it's a start", "über alle Schichten"];
      for (const text of texts) {
        expect(await page("entries", { method: "POST", body: text })).toBe("saved\n");
      }
      const entries = `${texts.join("\n")}\n`;
      expect(await page("archive")).toBe(entries);
      await eventually("followers have it, too", async () =>
        (await page("entries")) === `version 1\n${entries}` ? true : undefined,
      );
    });

    test("only those tiers reach each other that have to", async () => {
      for (const host of ["redis-leader", "redis-follower"]) {
        const asked = await inPod("stranger", "redis-cli", "-h", host, "ping");
        expect(asked.stdout).not.toContain("PONG");
        expect(asked.exitCode).not.toBe(0);
      }
      const ready = ["pg_isready", "-t", "2", "-h"];
      expect((await inPod("stranger", ...ready, "database")).stdout).toContain("no response");
      const front = ["wget", "-qO-", "http://web/cgi-bin/archive"];
      expect((await inPod("stranger", ...front)).stdout).toBe(await page("archive"));
      const web = "deployment/web";
      expect((await inPod(web, ...ready, "database")).stdout).toContain("accepting connections");
      const leader = ["redis-cli", "-h", "redis-leader", "ping"];
      expect((await inPod(web, ...leader)).stdout).toBe("PONG\n");
    });

    test("nobody sees an error while the front becomes another version", async () => {
      const entries = (await page("entries")).replace("version 1\n", "");
      const heard = new Map<string, number>();
      const rolled = new AbortController();
      const client = async (): Promise<void> => {
        while (!rolled.signal.aborted) {
          const answer = await page("entries").catch((error: unknown) => String(error));
          heard.set(answer, (heard.get(answer) ?? 0) + 1);
        }
      };
      const clients = Array.from({ length: CLIENTS }, client);
      try {
        await there(["set", "env", "deployment/web", "VERSION=2", "--containers=main"]);
        await there(["rollout", "status", "deployment/web", "--timeout=90s"]);
        // The last Pods of the first version take their leave.
        await eventually("the first version is gone", async () => {
          const names = await there(["get", "pods", "-l=app=web", "-o=name"]);
          return names.trim().split("\n").length === 3 ? true : undefined;
        });
      } finally {
        rolled.abort();
        await Promise.all(clients);
      }

      expect([...heard.keys()].toSorted()).toEqual([
        `version 1\n${entries}`,
        `version 2\n${entries}`,
      ]);
      expect(await page("entries")).toBe(`version 2\n${entries}`);
    });

    test("a database whose Pod is gone comes back with its rows, and the front finds it by its name", async () => {
      const before = await page("archive");
      await there(["delete", "pod", "database-0"]);
      await there(["rollout", "status", "statefulset/database", "--timeout=60s"]);
      await eventually("the front has the rows", async () =>
        (await page("archive")) === before ? true : undefined,
      );
      expect(await page("entries", { method: "POST", body: "still here" })).toBe("saved\n");
      expect(await page("archive")).toBe(`${before}still here\n`);
    });
  },
);

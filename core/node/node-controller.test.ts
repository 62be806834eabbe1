import { describe, expect, test } from "bun:test";
import { fakeClock } from "#test/fakes/clock.ts";
import { memoryLog } from "#test/fakes/log.ts";
import { ROOMY } from "#test/fixtures/eviction.ts";
import { LOCAL_A } from "#test/fixtures/node.ts";
import { FksError } from "../errors.ts";
import { pressureTracker } from "../eviction/pressure-tracker.ts";
import { thresholdsIn } from "../eviction/thresholds.ts";
import type { Node, NodeStatus } from "../kube/node.ts";
import type { LeaseRenewal, Leases, Nodes } from "../ports/nodes.ts";
import { healthTracker } from "./health.ts";
import { runNodeController } from "./node-controller.ts";

describe("the Node controller", () => {
  test("renews the Lease first and every ten seconds, also while the Machines API is away", async () => {
    await using world = start();
    await world.settle();
    expect(world.calls[0]).toBe("renew");

    world.health.lost("the Machines API does not answer");
    await world.advance(10_000, 6);
    expect(world.renewals).toHaveLength(7);
    expect(world.renewals.at(-1)).toMatchObject({ durationSeconds: 40, nodeUid: "uid-1" });
  });

  test("shows a Node that is ready as soon as the health is known", async () => {
    await using world = start();
    await world.settle();
    expect(world.ready()).toBeUndefined();

    world.health.ready();
    await world.settle();
    expect(world.ready()).toBe("True");
  });

  test("writes the status only when it changed, and every five minutes", async () => {
    await using world = start();
    world.health.ready();
    await world.settle();
    await world.advance(10_000, 12);
    expect(world.statuses).toHaveLength(1);

    await world.advance(10_000, 19);
    expect(world.statuses).toHaveLength(2);
  });

  test("is not ready, with the reason, once the Machines API was away for a while", async () => {
    await using world = start();
    world.health.ready();
    await world.settle();
    world.health.lost("the Machines API does not answer");
    await world.advance(10_000);
    expect(world.ready()).toBe("True");

    await world.advance(10_000, 2);
    expect(world.ready()).toBe("False");
    expect(JSON.stringify(world.statuses.at(-1))).toContain("the Machines API does not answer");
  });

  test("says at once what its host is short of", async () => {
    await using world = start();
    world.health.ready();
    await world.settle();
    world.short();
    await world.settle();
    expect(world.statuses.at(-1)?.conditions?.[0]).toMatchObject({
      type: "MemoryPressure",
      status: "True",
    });
  });

  test("a short absence of the Machines API changes nothing", async () => {
    await using world = start();
    world.health.ready();
    await world.settle();
    world.health.lost("the connection was closed");
    await world.advance(10_000);
    world.health.ready();
    await world.advance(10_000, 4);
    expect(world.statuses).toHaveLength(1);
  });

  test("after a restart nothing is said about readiness before it is known", async () => {
    await using world = start({ existing: true });
    await world.advance(1_000, 3);
    expect(world.statuses).toHaveLength(0);
  });

  test("brings back a Node that somebody deleted", async () => {
    await using world = start();
    world.health.ready();
    await world.settle();
    world.remove();
    await world.advance(10_000);
    expect(world.ready()).toBe("True");
    expect(world.renewals.at(-1)?.nodeUid).toBe("uid-1");
    await world.advance(10_000);
    expect(world.renewals.at(-1)?.nodeUid).toBe("uid-2");
  });

  test("makes a Node with its taints, and never touches those of one that is there", async () => {
    const taints = [{ key: "dedicated", value: "gpu", effect: "NoSchedule" }] as const;
    const description = { ...LOCAL_A, taints, annotations: { owner: "ops" } };
    await using made = start({ description });
    await made.settle();
    expect(made.node()).toMatchObject({
      metadata: { annotations: { owner: "ops" } },
      spec: { taints },
    });
    await made.advance(10_000, 3);
    expect(made.calls.filter((call) => call === "register")).toHaveLength(1);
    made.remove();
    await made.advance(10_000);
    expect(made.node()?.spec).toEqual({ taints });

    await using found = start({ existing: true, description });
    await found.settle();
    expect(found.calls).not.toContain("register");
  });

  test("goes on by itself after the API server was away for a minute", async () => {
    await using world = start();
    world.health.ready();
    await world.settle();
    world.outage(true);
    await world.advance(5_000, 12);
    const during = world.renewals.length;
    world.outage(false);
    await world.advance(7_000, 2);
    expect(world.renewals.length).toBeGreaterThan(during);
    expect(world.ready()).toBe("True");
  });
});

function start({ existing = false, description = LOCAL_A } = {}) {
  const clock = fakeClock();
  clock.advance(Date.UTC(2026, 10, 24));
  const health = healthTracker(clock);
  let host = ROOMY;
  const pressure = pressureTracker({
    thresholds: thresholdsIn("memory.available<1Gi"),
    read: () => host,
    clock,
    log: memoryLog(),
  });
  const calls: string[] = [];
  const renewals: LeaseRenewal[] = [];
  const statuses: NodeStatus[] = [];
  let serial = existing ? 1 : 0;
  let isAway = false;
  let node: Node | undefined = existing
    ? { metadata: { name: "local-a", uid: "uid-1" } }
    : undefined;

  const called = (what: string): void => {
    calls.push(what);
    if (isAway) throw new FksError("Unavailable", "the API server cannot be reached");
  };
  const nodes: Nodes = {
    async read() {
      called("read");
      return node;
    },
    async register(name, taints) {
      called("register");
      node ??= { metadata: { name, uid: `uid-${++serial}` }, spec: { taints } };
    },
    async applyObject(name, metadata) {
      called("object");
      const uid = node?.metadata.uid ?? `uid-${++serial}`;
      node = { ...node, metadata: { name, uid, ...metadata } };
      return node;
    },
    async applyStatus(_, status) {
      called("status");
      if (node === undefined) throw new FksError("NotFound", "no such Node");
      node = { ...node, status };
      statuses.push(status);
    },
  };
  const leases: Leases = {
    async renew(_, renewal) {
      called("renew");
      renewals.push(renewal);
    },
  };

  const stop = new AbortController();
  const running = runNodeController(
    { description, nodes, leases, health, pressure, clock, log: memoryLog() },
    stop.signal,
  );

  return {
    calls,
    health,
    short: () => {
      host = { ...ROOMY, memory: { available: 0, capacity: 1 } };
      pressure.look();
    },
    renewals,
    statuses,
    settle,
    async advance(ms: number, times = 1) {
      for (let i = 0; i < times; i += 1) {
        await settle();
        clock.advance(ms);
        await settle();
      }
    },
    ready: () => node?.status?.conditions?.find(({ type }) => type === "Ready")?.status,
    node: () => node,
    remove: () => {
      node = undefined;
    },
    outage: (away: boolean) => {
      isAway = away;
    },
    async [Symbol.asyncDispose]() {
      stop.abort(new Error("the test is over"));
      await running;
    },
  };
}

function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

import { describe, expect, test } from "bun:test";
import { podWorld } from "#test/fakes/pod-world.ts";
import { aPod } from "#test/fixtures/pod.ts";
import type { Pod } from "../kube/pod.ts";
import { withSentStatus } from "./pod-memory.ts";

const END = {
  reason: "Evicted",
  message: "The node was low on resource: memory. ",
  disruption: "TerminationByKubelet",
  graceSeconds: 1,
};
const never = new AbortController().signal;

async function running() {
  const own = podWorld();
  own.start();
  own.cluster.create(aPod());
  await own.pass(50, 12);
  const [machine] = own.world.all();
  const ref = { app: machine?.app ?? "", id: machine?.machine.id ?? "" };
  return { ...own, evict: () => own.world.protocol.end(ref, END, never) };
}

function expectEvicted(pod: Pod | undefined): void {
  expect(pod?.status).toMatchObject({
    phase: "Failed",
    reason: "Evicted",
    message: END.message,
    containerStatuses: [{ ready: false, state: { terminated: { exitCode: 137 } } }],
  });
  expect(pod?.status?.conditions).toContainEqual(
    expect.objectContaining({
      type: "DisruptionTarget",
      status: "True",
      reason: "TerminationByKubelet",
      message: END.message,
    }),
  );
}

describe("a Pod that is evicted", () => {
  test("has failed with its Event, written once, and its Machine stays with what it left", async () => {
    const { cluster, world, pass, stop, evict } = await running();
    const written = cluster.written.length;
    await evict();
    await pass(50, 12);
    await pass(60_000, 3);
    await stop();

    expectEvicted(cluster.find("default", "web"));
    expect(cluster.written.length).toBe(written + 1);
    expect(world.all().map(({ machine }) => machine.state)).toEqual(["stopped"]);
    expect(cluster.told().filter(({ reason }) => reason === "Evicted")).toMatchObject([
      { type: "Warning", message: END.message },
    ]);
  });

  test("is never started again, also by the next process that did not evict it", async () => {
    const { cluster, world, start, pass, stop, evict } = await running();
    await stop();
    const calls = world.calls.length;
    await evict();
    start();
    await pass(50, 12);
    await pass(60_000, 3);
    await stop();

    expectEvicted(cluster.find("default", "web"));
    expect(
      world.calls.slice(calls).filter((call) => /^(create |start|destroy)/.test(call)),
    ).toEqual([]);
    expect(cluster.told().filter(({ reason }) => reason === "Evicted").length).toBe(1);
  });
});

test("a watch that lags does not make it forget that others were to blame", () => {
  const condition = { type: "DisruptionTarget", status: "True" } as const;
  const foreign = { type: "example.com/mine", status: "True" } as const;
  const status = { phase: "Failed", conditions: [condition] } as const;
  const sent = { status, atMs: 0, over: undefined, isSure: true };
  const memory = { seenAtMs: 0, sent, isAmbiguous: false, machine: { id: undefined } };
  const watched = { ...aPod(), status: { conditions: [foreign] } };
  expect(withSentStatus(watched, memory, 0).status?.conditions).toEqual([condition, foreign]);
});

describe("a Node that takes no new Pods", () => {
  const rejection = { reason: "Evicted", message: "The node had condition: [MemoryPressure]. " };

  test("fails what comes, with the kubelet's words, and leaves what runs alone", async () => {
    let isShort = false;
    const { cluster, world, start, pass, stop } = podWorld({
      wrap: (deps) => ({ ...deps, admit: async () => (isShort ? rejection : undefined) }),
    });
    start();
    cluster.create(aPod());
    await pass(50, 12);
    isShort = true;
    const { metadata, ...rest } = aPod();
    cluster.create({ metadata: { ...metadata, name: "late", uid: "uid-late" }, ...rest });
    await pass(50, 12);
    await stop();

    expect(cluster.find("default", "web")?.status?.phase).toBe("Running");
    expect(cluster.find("default", "late")?.status).toMatchObject({
      phase: "Failed",
      reason: "Evicted",
      message: "Pod was rejected: The node had condition: [MemoryPressure]. ",
    });
    expect(world.all().length).toBe(1);
    expect(cluster.told().find(({ reason }) => reason === "Evicted")?.message).toBe(
      rejection.message,
    );
  });
});

import { describe, expect, test } from "bun:test";
import { fakeClock } from "#test/fakes/clock.ts";
import { memoryLog } from "#test/fakes/log.ts";
import { evictionPod, MIB, podUsage, ROOMY } from "#test/fixtures/eviction.ts";
import { FksError } from "../errors.ts";
import type { MachineEndRequest } from "../fly/machine-protocol.ts";
import type { Pod } from "../kube/pod.ts";
import type { PodEvent } from "../ports/pods.ts";
import type { PodUsage } from "../usage/usage.ts";
import { type Active, type EvictorDeps, runEvictor } from "./evictor.ts";
import { pressureTracker } from "./pressure-tracker.ts";
import type { HostReading } from "./signals.ts";
import { thresholdsIn } from "./thresholds.ts";

const SHORT_OF_MEMORY = { ...ROOMY, memory: { available: 50 * MIB, capacity: 1_024 * MIB } };
const SHORT_OF_DISK: HostReading = {
  ...ROOMY,
  nodeFs: { ...ROOMY.nodeFs, bytes: { available: 1, capacity: 100 } },
};

interface World {
  readonly pods: readonly Pod[];
  readonly host?: HostReading;
  readonly usage?: (pod: Pod) => PodUsage | undefined;
  readonly end?: (id: string) => FksError | undefined;
  readonly reclaim?: () => void;
}

/** An evictor over Pods whose Machines go when they are told to. */
function started({ pods, host = ROOMY, usage, end, reclaim }: World) {
  const clock = fakeClock();
  const stop = new AbortController();
  const ends: (MachineEndRequest & { readonly id: string })[] = [];
  const events: (PodEvent & { readonly pod: string })[] = [];
  const nodeEvents: string[] = [];
  let active: readonly Active[] = pods.map((pod) => ({
    pod,
    machine: { app: "default", id: pod.metadata.name },
  }));
  let isStuck = false;
  const state = { host, readings: 0 };
  const log = memoryLog();
  const thresholds = thresholdsIn("memory.available<100Mi,nodefs.available<10%");
  const pressure = pressureTracker({ thresholds, read: () => state.host, clock, log });
  const deps: EvictorDeps = {
    pressure,
    nodes: ["local-a"],
    active: () => active,
    usages: async () => {
      state.readings += 1;
      return active.flatMap(({ pod }) => usage?.(pod) ?? []);
    },
    protocol: {
      async end({ id }, request) {
        const failure = end?.(id);
        if (failure !== undefined) throw failure;
        ends.push({ ...request, id });
        if (!isStuck) active = active.filter(({ machine }) => machine.id !== id);
      },
      reclaim: async () => reclaim?.(),
    },
    events: {
      async record({ metadata }, event) {
        events.push({ ...event, pod: metadata.name });
      },
    },
    nodeEvents: {
      async record(node, { reason, message }) {
        nodeEvents.push(`${node} ${reason}: ${message}`);
      },
    },
    clock,
    log,
  };
  const running = runEvictor(deps, stop.signal);
  return {
    pressure,
    clock,
    ends,
    events,
    nodeEvents,
    state,
    stick: () => {
      isStuck = true;
    },
    ended: () => ends.map(({ id }) => id),
    /** Lets it do all it can, then turns the clock. */
    pass: async (ms = 0) => {
      await idle();
      clock.advance(ms);
      await idle();
    },
    async [Symbol.asyncDispose]() {
      stop.abort(new Error("the test is over"));
      await running;
    },
  };
}

async function idle(): Promise<void> {
  for (let i = 0; i < 6; i += 1) await new Promise<void>((resolve) => setImmediate(resolve));
}

const limited = (name: string): Pod =>
  evictionPod(name, {
    containers: [
      { name: "main", image: "x", resources: { limits: { "ephemeral-storage": "5Mi" } } },
    ],
  });
const usingBytes = (bytes: number) => (pod: Pod) =>
  podUsage(pod, [{ rootBytes: bytes, memoryBytes: bytes }]);

describe("limits on the disk", () => {
  test("end every Pod beyond its own, with its Event, and the others run on", async () => {
    const pods = [limited("full"), limited("also-full"), evictionPod("free")];
    await using world = started({ pods, usage: usingBytes(6 * MIB) });
    await world.pass();

    const message = "Pod ephemeral local storage usage exceeds the total limit of containers 5Mi. ";
    const end = { reason: "Evicted", message, graceSeconds: 1 };
    expect(world.ends).toEqual([
      { id: "full", ...end },
      { id: "also-full", ...end },
    ]);
    expect(world.events).toMatchObject([
      { pod: "full", type: "Warning", reason: "Evicted", message },
      { pod: "also-full" },
    ]);
    expect(world.pressure.current()).toEqual([]);
  });

  test("are looked at every ten seconds, and only where there are some", async () => {
    let bytes = 1 * MIB;
    await using world = started({
      pods: [limited("grows")],
      usage: (pod) => usingBytes(bytes)(pod),
    });
    await world.pass();
    bytes = 6 * MIB;
    await world.pass(9_999);
    expect(world.ends).toEqual([]);
    await world.pass(1);
    expect(world.ended()).toEqual(["grows"]);

    await using free = started({ pods: [evictionPod("free")], usage: usingBytes(6 * MIB) });
    await free.pass();
    expect(free.state.readings).toBe(0);
  });

  test("one that is on its way out, and a critical one, are left alone", async () => {
    const { spec, ...rest } = limited("critical");
    const critical = { ...rest, spec: { ...spec, priority: 2_000_000_000 } };
    await using world = started({
      pods: [limited("going"), critical, limited("full")],
      usage: usingBytes(6 * MIB),
      end: (id) =>
        id === "going" ? new FksError("Conflict", "the Machine is stopping") : undefined,
    });
    await world.pass();
    expect(world.ended()).toEqual(["full"]);
    expect(world.events.map(({ pod }) => pod)).toEqual(["full"]);
  });

  test("are tried again when the Machines API cannot be asked", async () => {
    let isAway = true;
    const end = (): FksError | undefined =>
      isAway ? new FksError("Unavailable", "away") : undefined;
    await using world = started({ pods: [limited("full")], usage: usingBytes(6 * MIB), end });
    await world.pass();
    expect(world.events).toEqual([]);
    isAway = false;
    await world.pass(10_000);
    expect(world.ended()).toEqual(["full"]);
  });
});

describe("a host that is short of something", () => {
  const asking = evictionPod("asks", {
    containers: [{ name: "main", image: "x", resources: { requests: { memory: "1Gi" } } }],
  });

  test("loses one Pod after the other until it has enough, and says so for five minutes more", async () => {
    await using world = started({
      pods: [asking, evictionPod("free"), evictionPod("more")],
      host: SHORT_OF_MEMORY,
      usage: (pod) => usingBytes((pod.metadata.name === "more" ? 9 : 3) * MIB)(pod),
    });
    expect(world.pressure.current()).toEqual(["MemoryPressure"]);
    await world.pass();
    world.state.host = ROOMY;
    await world.pass(10_000);

    expect(world.ended()[0]).toBe("more");
    expect(world.ends[0]).toMatchObject({
      message:
        "The node was low on resource: memory. Threshold quantity: 100Mi, available: 50Mi. " +
        "Container main was using 9Mi, request is 0, has larger consumption of memory. ",
      disruption: "TerminationByKubelet",
    });
    expect(world.events[0]?.annotations).toMatchObject({ starved_resource: "memory" });
    expect(world.pressure.current()).toEqual(["MemoryPressure"]);
    await world.pass(300_000);
    expect(world.pressure.current()).toEqual([]);
    expect(world.nodeEvents).toContain(
      "local-a EvictionThresholdMet: Attempting to reclaim memory",
    );
    expect(world.nodeEvents[0]).toBe(
      "local-a NodeHasInsufficientMemory: Node local-a status is now: NodeHasInsufficientMemory",
    );
    expect(world.nodeEvents.at(-1)).toBe(
      "local-a NodeHasSufficientMemory: Node local-a status is now: NodeHasSufficientMemory",
    );
  });

  test("gains nothing by a second Pod while one beyond its own limit goes", async () => {
    await using world = started({
      pods: [evictionPod("free"), limited("full")],
      host: SHORT_OF_MEMORY,
      usage: usingBytes(6 * MIB),
    });
    world.stick();
    await world.pass();
    expect(world.ended()).toEqual(["full"]);
    expect(world.ends[0]?.disruption).toBeUndefined();
  });

  test("leaves the critical alone, whatever they use", async () => {
    const critical = evictionPod("critical", { priority: 2_000_000_000 });
    await using world = started({
      pods: [critical],
      host: SHORT_OF_MEMORY,
      usage: usingBytes(6 * MIB),
    });
    await world.pass();
    expect(world.ends).toEqual([]);
  });

  test("waits half a minute for a Pod that will not go before it takes another", async () => {
    await using world = started({
      pods: [evictionPod("first"), evictionPod("second")],
      host: SHORT_OF_MEMORY,
      usage: usingBytes(MIB),
    });
    world.stick();
    await world.pass();
    for (let second = 0; second < 29; second += 1) await world.pass(1_000);
    expect(world.ended()).toEqual(["first"]);
    await world.pass(1_000);
    expect(world.ends.length).toBe(2);
  });

  test("is spared when what nobody needs was enough, and asks for that only when short of disk", async () => {
    let isReclaimed = false;
    const disk = started({
      pods: [evictionPod("free")],
      host: SHORT_OF_DISK,
      usage: usingBytes(MIB),
      reclaim: () => {
        isReclaimed = true;
        disk.state.host = ROOMY;
      },
    });
    await using world = disk;
    await world.pass();
    expect(isReclaimed).toBe(true);
    expect(world.ends).toEqual([]);
    expect(world.pressure.current()).toEqual(["DiskPressure"]);
  });

  test("evicts although nothing could be reclaimed", async () => {
    await using world = started({
      pods: [evictionPod("free")],
      host: SHORT_OF_DISK,
      usage: usingBytes(MIB),
      reclaim: () => {
        throw new FksError("Unavailable", "away");
      },
    });
    await world.pass();
    expect(world.ends[0]?.message).toStartWith("The node was low on resource: ephemeral-storage. ");
  });

  test("tells whoever listens when it changes", async () => {
    await using world = started({ pods: [] });
    let changes = 0;
    world.pressure.onChange(() => {
      changes += 1;
    });
    await world.pass();
    world.state.host = SHORT_OF_DISK;
    await world.pass(10_000);
    await world.pass(10_000);
    expect(changes).toBe(1);
    expect(world.pressure.current()).toEqual(["DiskPressure"]);
  });
});

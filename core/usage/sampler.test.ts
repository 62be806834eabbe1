import { expect, test } from "bun:test";
import { fakeClock } from "#test/fakes/clock.ts";
import { memoryLog } from "#test/fakes/log.ts";
import { FksError } from "../errors.ts";
import type { MachineUsage } from "../fly/machine-protocol.ts";
import type { Pod } from "../kube/pod.ts";
import { usageSampler } from "./sampler.ts";

const machine = { app: "a", id: "m1" };
const pod: Pod = {
  metadata: { name: "web", namespace: "default", uid: "u" },
  spec: { nodeName: "local-a", containers: [{ name: "app", image: "x" }] },
};

/** A Machine that uses half a core from the start of time on. */
function world() {
  const clock = fakeClock();
  const stop = new AbortController();
  let reads = 0;
  let answer: () => Promise<readonly MachineUsage[]> = async () => [usageNow()];
  const usageNow = (): MachineUsage => ({
    ...machine,
    at: new Date(clock.now()).toISOString(),
    containers: [
      {
        name: "app",
        startedAt: new Date(0).toISOString(),
        cpuNanoseconds: clock.now() * 500_000,
        memoryBytes: 1,
        usageBytes: 1,
        rssBytes: 1,
        pageFaults: 0,
        majorPageFaults: 0,
        processes: 1,
      },
    ],
    volumes: [],
  });
  const sampler = usageSampler(
    {
      read: () => {
        reads += 1;
        return answer();
      },
      nodes: ["local-a", "local-b"],
      placed: () => [{ pod, machine }],
      clock,
      log: memoryLog(),
    },
    stop.signal,
  );
  return {
    clock,
    sampler,
    stop,
    reads: () => reads,
    answer: (next: typeof answer) => {
      answer = next;
    },
  };
}

test("one reading serves everybody for five seconds", async () => {
  const { clock, sampler, reads } = world();
  await Promise.all([sampler.node("local-a"), sampler.node("local-b"), sampler.nodes()]);
  clock.advance(4_999);
  await sampler.node("local-a");
  expect(reads()).toBe(1);
  clock.advance(1);
  await sampler.node("local-a");
  await sampler.nodes();
  expect(reads()).toBe(2);
});

test("a Node has its own Pods, and its CPU time grows with theirs", async () => {
  const { clock, sampler } = world();
  clock.advance(10_000);
  const first = await sampler.node("local-a");
  clock.advance(20_000);
  const second = await sampler.node("local-a");
  const other = await sampler.node("local-b");

  expect(first.cpuNanoseconds).toBe(5_000_000_000);
  expect(second.cpuNanoseconds).toBe(15_000_000_000);
  expect(second.pods.map((usage) => usage.pod.metadata.name)).toEqual(["web"]);
  expect(second.pods[0]?.containers[0]?.rate).toEqual({
    nanoCores: 500_000_000,
    windowMs: 20_000,
  });
  expect([other.cpuNanoseconds, other.pods]).toEqual([0, []]);
});

test("a rate is never against a reading that is too young to tell", async () => {
  const { clock, sampler } = world();
  clock.advance(100_000);
  for (let second = 0; second < 30; second += 6) {
    await sampler.node("local-a");
    clock.advance(6_000);
  }
  const { pods } = await sampler.node("local-a");
  expect(pods[0]?.containers[0]?.rate?.windowMs).toBe(12_000);
});

test("a reading that fails is told, and the next one asks anew", async () => {
  const { sampler, answer, reads } = world();
  answer(() => Promise.reject(new FksError("Unavailable", "not there")));
  expect(sampler.node("local-a")).rejects.toThrow("not there");
  await Promise.resolve();
  await Bun.sleep(0);
  answer(async () => []);
  expect((await sampler.node("local-a")).pods).toEqual([]);
  expect(reads()).toBe(2);
});

test("it reads once a minute while nobody asks, and every fifteen seconds when somebody did", async () => {
  const { clock, sampler, stop, reads } = world();
  const ran = sampler.run(stop.signal);
  const turn = async (seconds: number): Promise<number> => {
    const before = reads();
    for (let second = 0; second < seconds; second += 1) {
      clock.advance(1_000);
      await Bun.sleep(0);
    }
    return reads() - before;
  };
  await Bun.sleep(0);
  expect(await turn(180)).toBe(3);
  await sampler.nodes();
  await turn(60);
  expect(await turn(60)).toBe(4);
  expect(await turn(360)).toBeLessThan(20);
  stop.abort(new Error("the test is over"));
  await ran;
});

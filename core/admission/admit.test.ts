import { describe, expect, test } from "bun:test";
import { fakeClock } from "#test/fakes/clock.ts";
import { evictionPod } from "#test/fixtures/eviction.ts";
import { FksError } from "../errors.ts";
import type { Node } from "../kube/node.ts";
import type { Pod } from "../kube/pod.ts";
import { nodeAdmission } from "./admit.ts";

const never = new AbortController().signal;
const AFFINITY = "NodeAffinity";

function admission() {
  const clock = fakeClock();
  const pods = new Map<string, Pod>();
  const machines = new Set<string>();
  const own = { zone: "ams", reads: 0, isDown: false };
  const admit = nodeAdmission({
    nodes: {
      read: async (name): Promise<Node> => {
        if (own.isDown) throw new FksError("Unavailable", "no answer");
        own.reads += 1;
        const metadata = { name, uid: "uid-node", labels: { zone: own.zone } };
        return { metadata, status: { allocatable: { cpu: "1", pods: "9" } } };
      },
    },
    pods: { keys: () => [...pods.keys()], get: (key) => pods.get(key) },
    hasMachine: (uid) => machines.has(uid),
    firstRejectionFor: () => undefined,
    clock,
  });
  const create = (name: string, change: Partial<Pod["spec"]> = {}): Pod => {
    const resources = { requests: { cpu: "600m" } };
    const containers = [{ name: "main", image: "i", resources }];
    const { status: _, ...pod } = evictionPod(name, { containers, ...change });
    pods.set(name, pod);
    return pod;
  };
  const ask = async (pod: Pod) => (await admit(pod, never))?.reason;
  return { clock, pods, machines, own, create, ask };
}

describe("a Node that is asked about a new Pod", () => {
  test("has room for the first of two that race, and for the second once the first is gone", async () => {
    const { create, ask, pods } = admission();
    const [a, b] = [create("a"), create("b")];
    expect(await Promise.all([ask(a), ask(b)])).toEqual([undefined, "OutOfcpu"]);
    pods.delete("a");
    expect(await ask(b)).toBeUndefined();
  });

  test("counts neither what has ended, nor what is on another Node, nor what waits", async () => {
    const { create, ask, pods, machines } = admission();
    pods.set("over", { ...create("over"), status: { phase: "Succeeded", podIP: "fdaa::1" } });
    pods.set("far", { ...create("far", { nodeName: "fra" }), status: { podIP: "fdaa::2" } });
    create("waits");
    machines.add("uid-over").add("uid-far");
    expect(await ask(create("web"))).toBeUndefined();
  });

  test("counts what has a Machine since before a restart", async () => {
    const { create, ask, machines } = admission();
    create("old");
    machines.add("uid-old");
    expect(await ask(create("web"))).toBe("OutOfcpu");
  });

  test("is read anew before it refuses, and not for every Pod that it lets in", async () => {
    const { create, ask, own, clock } = admission();
    const small = { containers: [] };
    await ask(create("a", small));
    await ask(create("b", small));
    expect(own.reads).toBe(1);
    own.zone = "fra";
    expect(await ask(create("c", { ...small, nodeSelector: { zone: "fra" } }))).toBeUndefined();
    expect(await ask(create("d", { ...small, nodeSelector: { zone: "ams" } }))).toBe(AFFINITY);
    own.zone = "ams";
    clock.advance(1_001);
    expect(await ask(create("e", { ...small, nodeSelector: { zone: "fra" } }))).toBe(AFFINITY);
  });

  test("refuses nobody when it cannot be read", async () => {
    const { create, ask, own } = admission();
    own.isDown = true;
    const pod = create("web", { nodeSelector: { zone: "moon" } });
    expect(await ask(pod).catch((error) => FksError.is(error, "Unavailable"))).toBe(true);
    own.isDown = false;
    expect(await ask(pod)).toBe(AFFINITY);
  });
});

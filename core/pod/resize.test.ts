import { expect, test } from "bun:test";
import { assert, integer, property } from "fast-check";
import { podWorld } from "#test/fakes/pod-world.ts";
import { aPod } from "#test/fixtures/pod.ts";
import type { Pod } from "../kube/pod.ts";
import { guestFor, wishFor } from "./guest.ts";
import { lackFor, limitsFor } from "./resize.ts";

function withMemory(memory: string, pod = aPod()): Pod {
  const resources = { requests: { memory: "64Mi" }, limits: { memory } };
  const containers = pod.spec.containers.map((container) => ({ ...container, resources }));
  return { ...pod, spec: { ...pod.spec, containers } };
}

async function resizedTo(memory: string) {
  const { world, cluster, start, stop, pass } = podWorld();
  start();
  cluster.create(withMemory("128Mi"));
  await pass(50, 12);
  const [machine] = world.all();
  cluster.change("default", "web", (found) => ({
    ...withMemory(memory, found),
    metadata: { ...found.metadata, generation: 2 },
  }));
  await pass(1_000, 4);
  await stop();
  const { containers = {} } = world.bundleOf(machine?.machine.id ?? "") ?? {};
  return {
    cluster,
    bytes: containers["c0"]?.resources?.memory_bytes,
    machines: world.all().length,
  };
}

test("new limits reach a running container by another bundle", async () => {
  const { bytes, machines } = await resizedTo("200Mi");
  expect(bytes).toBe(200 * 2 ** 20);
  expect(machines).toBe(1);
});

test("beyond the Machine's size nothing is done, and the Pod says so", async () => {
  const { cluster } = await resizedTo("300Mi");
  const { conditions = [] } = cluster.find("default", "web")?.status ?? {};
  expect(conditions.find(({ type }) => type === "PodResizePending")).toMatchObject({
    status: "True",
    reason: "Infeasible",
    observedGeneration: 2,
  });
  expect(cluster.told().map(({ reason }) => reason)).toContain("ResizeInfeasible");
});

test("a Machine never lacks anything for the Pod it was made for", () => {
  assert(
    property(integer({ min: 1, max: 16_384 }), (mib) => {
      const pod = withMemory(`${mib}Mi`);
      expect(lackFor(pod, guestFor(wishFor(pod)))).toBeUndefined();
    }),
  );
});

test.each([
  [{}, 2],
  [{ requests: { cpu: "1m" } }, 2],
  [{ requests: { cpu: "22m" }, limits: { cpu: "1" } }, 22],
  [{ limits: { cpu: "1500m" } }, 1_536],
  [{ requests: { cpu: "1000" } }, 262_144],
])("with %j the container weighs %d", (resources, cpu_shares) => {
  expect(limitsFor({ name: "c", image: "i", resources })).toMatchObject({ cpu_shares });
});

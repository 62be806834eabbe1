import { expect, test } from "bun:test";
import { fakeClock } from "#test/fakes/clock.ts";
import { memoryWorld } from "#test/fakes/machines.ts";
import { memoryCluster } from "#test/fakes/memory-cluster.ts";
import { aPod } from "#test/fixtures/pod.ts";
import type { MachineConfig } from "../../fly/machine.ts";
import { type LaunchDeps, launch } from "./launch.ts";

const never = new AbortController().signal;

function place() {
  const clock = fakeClock();
  const world = memoryWorld({ clock, apps: ["app"] });
  const cluster = memoryCluster({ clock });
  const deps: LaunchDeps = {
    machines: world.machines,
    pods: cluster.pods,
    cluster: cluster.cluster,
    namespaceApps: { ensure: async () => "app", find: async () => "app", forget: () => {} },
    clusterUid: "cluster-1",
  };
  return { world, cluster, deps };
}

function configOf(stamps: Readonly<Record<string, string>>): MachineConfig {
  const metadata = {
    fks_cluster: "cluster-1",
    fks_namespace: "default",
    fks_pod: "web",
    ...stamps,
  };
  return { metadata, containers: [{ name: "c0", image: "nginx" }] };
}

const own = configOf({ fks_pod_uid: aPod().metadata.uid });
const request = { pod: aPod(), config: own, region: "local-a", isAmbiguous: false };

async function occupied(by: MachineConfig) {
  const found = place();
  found.cluster.create(aPod());
  await found.deps.machines.create("app", { name: "web", region: "local-a", config: by }, never);
  return found;
}

test("the Pod's own Machine is adopted when its name is taken", async () => {
  const { world, deps } = await occupied(own);

  expect(await launch(deps, request, never)).toMatchObject({ outcome: "adopted" });
  expect(world.all()).toHaveLength(1);
});

test("after a lost answer the Machine is looked up before another is asked for", async () => {
  const { world, deps } = await occupied(own);

  await launch(deps, { ...request, isAmbiguous: true }, never);
  expect(world.calls.filter((call) => call.startsWith("create "))).toHaveLength(1);
});

test("the Machine of an earlier Pod of the same name is removed first", async () => {
  const { world, deps } = await occupied(configOf({ fks_pod_uid: "earlier" }));

  expect(await launch(deps, request, never)).toMatchObject({ outcome: "taken" });
  expect(await launch(deps, request, never)).toMatchObject({ outcome: "launched" });
  expect(world.all()).toHaveLength(1);
});

test.each([
  ["another cluster", configOf({ fks_cluster: "cluster-2", fks_pod_uid: "x" })],
  ["nobody we know", { containers: [{ name: "c", image: "i" }] }],
])("a Machine of %s is left alone", async (_who, config) => {
  const { world, deps } = await occupied(config);

  expect(await launch(deps, request, never)).toMatchObject({ outcome: "taken" });
  expect(world.all()).toHaveLength(1);
});

test("nothing is removed while another control plane answers", async () => {
  const { world, cluster, deps } = await occupied(configOf({ fks_pod_uid: "earlier" }));
  cluster.become("cluster-2");
  cluster.create(aPod());

  await launch(deps, request, never);
  expect(world.all()).toHaveLength(1);
});

test("a volume that another Machine has is waited for, and told by whom", async () => {
  const { world, deps } = place();
  const asked = { name: "data", region: "local-a", size_gb: 1 };
  const { id: volume } = await world.volumes.create("app", asked, never);
  const config = { ...own, mounts: [{ volume, path: "/data" }] };
  const other = await deps.machines.create(
    "app",
    { name: "other", region: "local-a", config },
    never,
  );

  expect(await launch(deps, { ...request, config }, never)).toEqual({
    outcome: "held",
    why: `volume ${volume} is already attached to machine ${other.id}`,
  });
  world.destroy(other.id);
  expect(await launch(deps, { ...request, config }, never)).toMatchObject({ outcome: "launched" });
});

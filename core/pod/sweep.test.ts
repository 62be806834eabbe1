import { describe, expect, test } from "bun:test";
import { fakeClock } from "#test/fakes/clock.ts";
import { memoryLog } from "#test/fakes/log.ts";
import { memoryWorld } from "#test/fakes/machines.ts";
import { memoryCluster } from "#test/fakes/memory-cluster.ts";
import { aPod } from "#test/fixtures/pod.ts";
import { FksError } from "../errors.ts";
import { stampsFor } from "./identity.ts";
import { type SweepDeps, sweeper } from "./sweep.ts";

const never = new AbortController().signal;

async function placeWith(change: (deps: SweepDeps) => Partial<SweepDeps> = () => ({})) {
  const clock = fakeClock();
  const world = memoryWorld({ clock, apps: ["app"] });
  const cluster = memoryCluster({ clock });
  const deps: SweepDeps = {
    pods: cluster.pods,
    machines: world.machines,
    apps: world.apps,
    cluster: cluster.cluster,
    clusterUid: "cluster-1",
    clock,
    log: memoryLog(),
  };
  const launch = async (name: string, clusterUid = "cluster-1") => {
    const metadata = { ...stampsFor(aPod({ metadata: { name, uid: `uid-${name}` } }), clusterUid) };
    const config = { metadata, containers: [{ name: "c", image: "i" }] };
    await world.machines.create("app", { name, region: "local-a", config }, never);
  };
  const names = () => world.all().map(({ machine }) => machine.name);
  const sweep = sweeper({ ...deps, ...change(deps) });
  return { clock, cluster, launch, names, sweep: () => sweep(never) };
}

describe("the sweep", () => {
  test("destroys a Machine without a Pod when two passes a minute apart missed it", async () => {
    const { clock, cluster, launch, names, sweep } = await placeWith();
    cluster.create(aPod({ metadata: { name: "kept", uid: "uid-kept" } }));
    await launch("kept");
    await launch("orphan");
    await sweep();
    clock.advance(59_000);
    await sweep();
    expect(names()).toEqual(["kept", "orphan"]);

    clock.advance(1_000);
    await sweep();
    expect(names()).toEqual(["kept"]);
  });

  test("leaves alone what belongs to another cluster or to nobody", async () => {
    const { clock, launch, names, sweep } = await placeWith();
    await launch("foreign", "cluster-2");
    await sweep();
    clock.advance(120_000);
    await sweep();

    expect(names()).toEqual(["foreign"]);
  });

  test("asks for the Pod by name before it believes a list that left it out", async () => {
    const { clock, cluster, launch, names, sweep } = await placeWith(({ pods }) => ({
      pods: { ...pods, list: async () => [] },
    }));
    cluster.create(aPod({ metadata: { name: "web", uid: "uid-web" } }));
    await launch("web");
    await sweep();
    clock.advance(120_000);
    await sweep();

    expect(names()).toEqual(["web"]);
  });

  test("destroys nothing when the Pods cannot be listed", async () => {
    const { clock, launch, names, sweep } = await placeWith(({ pods }) => ({
      pods: {
        ...pods,
        list: () => Promise.reject(new FksError("Unavailable", "no answer")),
      },
    }));
    await launch("web");
    for (let i = 0; i < 3; i += 1) {
      await sweep().catch(() => {});
      clock.advance(120_000);
    }

    expect(names()).toEqual(["web"]);
  });

  test("destroys nothing while another control plane answers", async () => {
    const { clock, cluster, launch, names, sweep } = await placeWith();
    await launch("web");
    await sweep();
    cluster.become("cluster-2");
    clock.advance(120_000);
    await sweep().catch(() => {});

    expect(names()).toEqual(["web"]);
  });
});

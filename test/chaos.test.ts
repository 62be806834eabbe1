import { describe, expect, test } from "bun:test";
import type { PodControllerDeps } from "#core/pod/pod-controller.ts";
import { type Faults, faulty, NO_FAULTS, randomFrom } from "./fakes/faulty.ts";
import { invariants } from "./fakes/invariants.ts";
import { initContainersOf, type MemoryMachine } from "./fakes/memory-machine.ts";
import { podWorld } from "./fakes/pod-world.ts";
import { aPod } from "./fixtures/pod.ts";

/** SEED=7 bun test test/chaos.test.ts tells one story again. */
const { SEED } = process.env;
const SEEDS = SEED === undefined ? Array.from({ length: 200 }, (_, i) => i + 1) : [Number(SEED)];
const ACTS = 40;
const NAMES = ["web", "db", "job"] as const;
const PAUSES_MS = [10, 50, 500, 3_000, 12_000, 61_000] as const;

/** Pods with files and a variable from elsewhere: alone, several, after others, beside others. */
const FED = {
  env: [{ name: "TURN", valueFrom: { secretKeyRef: { name: "keys", key: "turn" } } }],
};
const FILES = [{ name: "settings", configMap: { name: "settings" } }];
const init = (name: string) => ({ name, image: "init:1" });
const SIDECAR = { ...init("beside"), restartPolicy: "Always" } as const;
const SHAPES = [
  { containers: [FED] },
  { containers: [FED, {}] },
  { containers: [FED], initContainers: [init("first"), init("second")] },
  { containers: [FED, {}], initContainers: [SIDECAR, init("first")] },
] as const;

function fedWith({ bundle }: MemoryMachine): readonly unknown[] {
  const variable = bundle?.containers["c0"]?.env?.find(({ name }) => name === "TURN");
  return [atob(bundle?.volumes["settings"]?.[0]?.content ?? ""), variable?.value];
}

type Random = () => number;

function stage(seed: number) {
  const random = randomFrom(seed);
  const faults: Faults = { lostThere: 0.08, lostBack: 0.12, doubled: 0.05 };
  const world = podWorld({ stepMs: seed % 3 === 0 ? 0 : 20, wrap: unreliable });
  const guard = invariants(world.world, world.cluster);
  let serial = 0;

  function unreliable(deps: PodControllerDeps): PodControllerDeps {
    const { machines, apps, protocol, pods, cluster, namespaces, events } = guard.watching(deps);
    const unreliablePods = faulty(pods, faults, random);
    return {
      ...deps,
      machines: faulty(machines, faults, random),
      apps: faulty(apps, faults, random),
      // The watched copy is memory: it may lag, it does not fail.
      pods: {
        ...unreliablePods,
        get: (key) => pods.get(key),
        keys: () => pods.keys(),
        isSynced: () => pods.isSynced(),
      },
      cluster: faulty(cluster, faults, random),
      namespaces: faulty(namespaces, faults, random),
      events: faulty(events, faults, random),
      ...(protocol === undefined ? {} : { protocol: faulty(protocol, faults, random) }),
    };
  }

  function create(name: string): void {
    if (world.cluster.find("default", name) !== undefined) return;
    serial += 1;
    const restartPolicy = pick(random, ["Always", "OnFailure", "Never"] as const);
    const metadata = { name, uid: `uid-${serial}` };
    world.cluster.create(
      aPod({ metadata, restartPolicy, volumes: FILES, ...pick(random, SHAPES) }),
    );
  }

  function feed(turn: string): void {
    world.cluster.setConfigMap("default/settings", { turn });
    world.cluster.setSecret("default/keys", { turn });
  }

  const acts: readonly (() => void | Promise<void>)[] = [
    () => create(pick(random, NAMES)),
    () => create(pick(random, NAMES)),
    () => create(pick(random, NAMES)),
    () => world.cluster.delete("default", pick(random, NAMES), 30),
    () => world.cluster.delete("default", pick(random, NAMES), 1),
    () => world.cluster.delete("default", pick(random, NAMES), 0),
    () => withMachine((id) => world.world.destroy(id)),
    () => withMachine((id) => world.world.setState(id, "failed")),
    () => withMachine((id) => world.world.loseBundle(id)),
    () => withContainer(1),
    () => withContainer(pick(random, [0, 0, 1])),
    () => withUp((id) => world.world.restartContainers(id)),
    () => feed(String(random())),
    () => world.cluster.setConfigMap("default/settings", undefined),
    () => world.cluster.setSecret("default/keys", undefined),
    () => world.world.cutWatches(),
    () => world.cluster.holdWatch(true),
    () => world.cluster.holdWatch(false),
    () => world.cluster.become(pick(random, ["cluster-1", "cluster-1", "cluster-2"] as const)),
    async () => {
      await world.stop();
      // A process begins with a list.
      world.cluster.holdWatch(false);
      world.start();
    },
  ];

  function withMachine(act: (id: string) => void): void {
    const found = world.world.all();
    if (found.length > 0) act(pick(random, found).machine.id);
  }

  /** One that runs and whose containers may start. */
  function withUp(act: (id: string, found: MemoryMachine) => void): void {
    const up = world.world
      .all()
      .filter(({ machine, report }) => machine.state === "started" && report.awaits === undefined);
    if (up.length === 0) return;
    const found = pick(random, up);
    act(found.machine.id, found);
  }

  function withContainer(exitCode: number): void {
    withUp((id, { report }) => {
      world.world.endContainer(id, pick(random, report.containers).name, { exitCode });
    });
  }

  /** Init containers end well, and whatever is to come back comes back. */
  function finish(): void {
    for (const { machine, report } of world.world.all()) {
      if (machine.state !== "started" || report.awaits !== undefined) continue;
      world.world.restartContainers(machine.id);
      for (const name of initContainersOf(machine)) {
        world.world.endContainer(machine.id, name, { exitCode: 0 });
      }
    }
  }

  feed("first");
  return { ...world, random, faults, guard, acts, feed, finish };
}

function pick<T>(random: Random, items: readonly [T, ...T[]] | readonly T[]): T {
  const item = items[Math.floor(random() * items.length)];
  if (item === undefined) throw new RangeError("nothing to pick from");
  return item;
}

describe("in a world where calls, watches, Machines and we ourselves are lost", () => {
  test.each(SEEDS)("seed %d: never two Machines for a Pod, none once it is gone", async (seed) => {
    const { acts, random, faults, guard, world, cluster, feed, finish, pass, start, stop } =
      stage(seed);
    start();
    for (let i = 0; i < ACTS; i += 1) {
      await pick(random, acts)();
      await pass(pick(random, PAUSES_MS));
      expect(guard.broken).toEqual([]);
    }

    // Everything settles once the faults stop.
    Object.assign(faults, NO_FAULTS);
    cluster.become("cluster-1");
    cluster.holdWatch(false);
    feed("last but one");
    await stop();
    start();
    await pass(1_000, 20);
    await pass(61_000, 4);
    finish();
    feed("last");
    await pass(10_000, 6);
    await stop();

    expect(guard.broken).toEqual([]);
    const pods = cluster.all();
    expect(pods.filter(({ metadata }) => metadata.deletionTimestamp !== undefined)).toEqual([]);
    const alive = pods.filter(({ status }) => !/Failed|Succeeded/.test(status?.phase ?? ""));
    expect(alive.map(({ status }) => status?.phase)).toEqual(alive.map(() => "Running"));
    const owners = world.all().map(({ machine }) => machine.config?.metadata?.["fks_pod_uid"]);
    const uids = pods.map(({ metadata }) => metadata.uid);
    expect(owners.filter((uid = "") => !uids.includes(uid))).toEqual([]);
    expect(alive.filter(({ metadata }) => !owners.includes(metadata.uid))).toEqual([]);
    const running = world.all().filter(({ machine }) => machine.state === "started");
    expect(running.map(fedWith)).toEqual(running.map(() => ["last", "last"]));
  });
});

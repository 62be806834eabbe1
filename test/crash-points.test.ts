import { describe, expect, test } from "bun:test";
import { FksError } from "#core/errors.ts";
import type { PodControllerDeps } from "#core/pod/pod-controller.ts";
import { invariants } from "./fakes/invariants.ts";
import { podWorld } from "./fakes/pod-world.ts";
import { aPod, TOKEN_MOUNT, TOKEN_VOLUME } from "./fixtures/pod.ts";

/** `kill -9` at one effect: just before it is obeyed, or just after, its answer lost. */
interface Crash {
  readonly at: number;
  readonly when: "before" | "after";
}

const EFFECTS = new Set([
  "create",
  "start",
  "stop",
  "destroy",
  "deliver",
  "writeFiles",
  "patchStatus",
  "remove",
  "record",
  "claim",
  "podToken",
]);

/** One Pod from its creation to its end, with a crash somewhere; a new process goes on each time. */
async function story(crash: Crash | undefined) {
  let effects = 0;
  const names: string[] = [];
  let isDead = false;
  const world = podWorld({ stepMs: 10, wrap: (deps) => mortal(guard.watching(deps)) });
  const guard = invariants(world.world, world.cluster);

  function mortal(deps: PodControllerDeps): PodControllerDeps {
    const life = { isOver: false };
    const port = <T extends object>(inner: T): T => mortalPort(inner, life);
    const { machines, pods, events, cluster, namespaces, apps, protocol } = deps;
    return {
      ...deps,
      machines: port(machines),
      pods: port(pods),
      events: port(events),
      cluster: port(cluster),
      namespaces: port(namespaces),
      apps: port(apps),
      ...(protocol === undefined ? {} : { protocol: port(protocol) }),
    };
  }

  function mortalPort<T extends object>(inner: T, life: { isOver: boolean }): T {
    const members = Object.entries(inner).map(([name, member]: readonly [string, unknown]) => {
      if (typeof member !== "function" || !EFFECTS.has(name)) return [name, member];
      const call = async (...args: unknown[]): Promise<unknown> => {
        if (life.isOver) throw new FksError("Unavailable", "this process is dead");
        const isIt = crash?.at === effects;
        names[effects] = name;
        effects += 1;
        if (isIt && crash.when === "before") die(life);
        const answer: unknown = await Reflect.apply(member, inner, args);
        if (isIt) die(life);
        return answer;
      };
      return [name, call];
    });
    return Object.assign(Object.create(null), inner, Object.fromEntries(members));
  }

  function die(life: { isOver: boolean }): never {
    life.isOver = true;
    isDead = true;
    throw new FksError("Unavailable", "killed");
  }

  async function live(passes: number): Promise<void> {
    for (let i = 0; i < passes; i += 1) {
      await world.pass(20);
      if (!isDead) continue;
      isDead = false;
      await world.stop();
      world.start();
    }
  }

  world.start();
  world.cluster.create(
    aPod({ volumes: [TOKEN_VOLUME], containers: [{ volumeMounts: [TOKEN_MOUNT] }] }),
  );
  await live(20);
  await world.pass(1_000, 4);
  await live(5);
  const running = {
    phase: world.cluster.find("default", "web")?.status?.phase,
    machines: world.world.all().length,
  };

  world.cluster.delete("default", "web");
  await live(20);
  await world.pass(1_000, 6);
  await live(5);
  await world.stop();
  const left = { pods: world.cluster.all().length, machines: world.world.all().length };
  return { names, running, left, broken: guard.broken };
}

const WHOLE = await story(undefined);
const POINTS = WHOLE.names.flatMap((name, at) => [
  { at, name, when: "before" as const },
  { at, name, when: "after" as const },
]);

describe("kill -9 of the kubelet role", () => {
  test("the story has every kind of effect", () => {
    expect(new Set(WHOLE.names)).toEqual(
      new Set(EFFECTS).difference(new Set(["start", "writeFiles"])),
    );
  });

  test.each(POINTS)("$when effect $at ($name): one Machine, then none", async ({ at, when }) => {
    const { running, left, broken } = await story({ at, when });

    expect(broken).toEqual([]);
    expect(running).toEqual({ phase: "Running", machines: 1 });
    expect(left).toEqual({ pods: 0, machines: 0 });
  });
});

import { expect, test } from "bun:test";
import { appWorld } from "#test/fakes/app-world.ts";
import { FksError } from "../errors.ts";
import { namespaceApps } from "./namespace-apps.ts";
import { namespaceReconciler } from "./namespace-reconciler.ts";

const forever = new AbortController().signal;
const EFFECTS = new Set(["claim", "letGo", "create", "destroy", "release"]);

/** `kill -9` at one effect: just before it is obeyed, or just after, its answer lost. */
interface Crash {
  readonly at: number;
  readonly when: "before" | "after";
}

async function lives(passes: number, live: () => Promise<unknown>): Promise<void> {
  for (let pass = 0; pass < passes; pass += 1) await live().catch(() => {});
}

/** A namespace from its creation to its end, with a crash somewhere; a new process goes on. */
async function story(crash: Crash | undefined) {
  const world = appWorld();
  const names: string[] = [];

  function mortal<T extends object>(inner: T): T {
    const members = Object.entries(inner).map(([name, member]: readonly [string, unknown]) => {
      if (typeof member !== "function" || !EFFECTS.has(name)) return [name, member];
      const call = async (...args: unknown[]): Promise<unknown> => {
        const isIt = crash?.at === names.length;
        names.push(name);
        if (isIt && crash.when === "before") throw new FksError("Unavailable", "killed");
        const answer: unknown = await Reflect.apply(member, inner, args);
        if (isIt) throw new FksError("Unavailable", "killed");
        return answer;
      };
      return [name, call];
    });
    return Object.assign(Object.create(null), inner, Object.fromEntries(members));
  }

  const deps = {
    ...world,
    namespaces: mortal(world.namespaces),
    apps: mortal(world.apps),
    machines: mortal(world.machines),
    addresses: mortal(world.addresses),
  };
  const reconcile = (): Promise<unknown> => namespaceReconciler(deps)("shop", forever);

  world.namespaces.make("shop");
  await lives(3, reconcile);
  let app = "";
  await lives(3, async () => {
    app = await namespaceApps(deps).ensure("shop", forever);
  });
  await world.machine(app, "shop");
  await world.addresses.assign(app, { type: "private_v6", service_name: "web" }, forever);
  const made = await world.appNames();

  world.namespaces.delete("shop");
  world.namespaces.empty("shop");
  await lives(6, reconcile);
  return {
    names,
    made,
    left: {
      apps: await world.appNames(),
      machines: world.world.all().length,
      ips: world.addresses.all().length,
      namespace: world.namespaces.find("shop"),
    },
  };
}

const WHOLE = await story(undefined);
const POINTS = WHOLE.names.flatMap((name, at) => [
  { at, name, when: "before" as const },
  { at, name, when: "after" as const },
]);

test("the story has every kind of effect", () => {
  expect(new Set(WHOLE.names)).toEqual(EFFECTS);
});

test.each(POINTS)("$when effect $at ($name): one App, then nothing", async ({ at, when }) => {
  const { made, left } = await story({ at, when });
  expect(made).toHaveLength(1);
  expect(left).toEqual({ apps: [], machines: 0, ips: 0, namespace: undefined });
});

import { expect, test } from "bun:test";
import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fakeClock } from "#test/fakes/clock.ts";
import { memoryLog } from "#test/fakes/log.ts";
import { addressesOf } from "./addresses.ts";
import { bundlesIn } from "./bundles.ts";
import { changes } from "./changes.ts";
import { idsFrom } from "./ids.ts";
import { type Keeper, machineKeeper } from "./keeper.ts";
import { destroyAsked } from "./machine-life.ts";
import { actionsOf } from "./probes/actions.ts";
import { noImages } from "./runtime/no-images.ts";
import { noRuntime } from "./runtime/none.ts";
import { openStore, type Store } from "./store.ts";
import { until } from "./testing/open-api.ts";
import { machine } from "./testing/records.ts";

interface World {
  readonly keeper: Keeper;
  readonly store: Store;
  readonly runtime: ReturnType<typeof noRuntime>;
}

/** A keeper whose store refuses the writes with these numbers. */
async function withKeeper(
  refuses: (write: number) => boolean,
  body: (world: World) => Promise<void>,
): Promise<void> {
  const dir = mkdtempSync(join(tmpdir(), "fks-keeper-"));
  const clock = fakeClock();
  const real = openStore(join(dir, "machines.db"));
  let writes = 0;
  const store: Store = {
    ...real,
    save(next, previous) {
      writes += 1;
      if (refuses(writes)) throw new Error("database or disk is full");
      real.save(next, previous);
    },
  };
  const runtime = noRuntime(clock);
  const keeper = machineKeeper({
    store,
    runtime,
    images: noImages(),
    bundles: bundlesIn(join(dir, "run")),
    addresses: addressesOf("0a0b0c0d", () => store.nextSerial()),
    changes: changes(),
    actions: actionsOf(runtime, clock),
    volumes: { mount: async () => {}, folderOf: () => "", release: async () => {} },
    ids: idsFrom(randomBytes, () => clock.now()),
    clock,
    log: memoryLog(),
  });
  await keeper.adopt(new AbortController().signal);
  const turning = setInterval(() => clock.advance(500), 1);
  try {
    await body({ keeper, store, runtime });
  } finally {
    clearInterval(turning);
    await keeper.stop();
    real.close();
    rmSync(dir, { recursive: true, force: true });
  }
}

const PLAIN = {
  image: "web:1",
  init: { cmd: ["sleep-exit", "20000", "3"] },
  restart: { policy: "no" },
} as const;

/** Starts by itself, ends by itself with 3; resolves with the exit code that was written. */
async function ended({ keeper, store }: World): Promise<unknown> {
  const record = { ...machine(PLAIN), containers: machine(PLAIN).containers };
  keeper.add(record);
  await until(() => keeper.get(record.id)?.state === "stopped" || undefined);
  const [stored] = store.machines();
  expect(stored).toEqual(keeper.get(record.id));
  return stored?.containers[0]?.exit?.exitCode;
}

// Write 1 takes the Machine in: when it fails, its creator is told.
test.each([2, 3, 4, 5, 6, 7, 8])(
  "a store that refuses write %d loses nothing: it is written again",
  async (write) => {
    await withKeeper(
      (n) => n === write,
      async (world) => {
        expect(await ended(world)).toBe(3);
        const running = await world.runtime.list(new AbortController().signal);
        expect(running.filter(({ state }) => state === "running")).toEqual([]);
      },
    );
  },
);

test("a store that refuses for a while holds everything up, and nothing is forgotten", async () => {
  await withKeeper(
    (n) => n > 2 && n < 9,
    async (world) => {
      expect(await ended(world)).toBe(3);
    },
  );
});

test("a change that cannot be written did not happen, and whoever asked is told", async () => {
  let isFull = false;
  await withKeeper(
    () => isFull,
    async ({ keeper }) => {
      const record = machine({ image: "web:1" });
      keeper.add(record);
      await until(() => keeper.get(record.id)?.state === "started" || undefined);
      isFull = true;
      expect(() => keeper.change(record.id, destroyAsked)).toThrow("disk is full");
      expect(keeper.get(record.id)?.state).toBe("started");
      isFull = false;
      keeper.change(record.id, destroyAsked);
      await until(() => keeper.get(record.id)?.state !== "destroying" || undefined);
    },
  );
});

import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { FksError } from "#core/errors.ts";
import { fakeClock } from "#test/fakes/clock.ts";
import { memoryLog } from "#test/fakes/log.ts";
import { imageCollector, imagesIn } from "./image-collector.ts";
import { noImages } from "./runtime/no-images.ts";
import { POD, startedMachine } from "./testing/records.ts";

const GIB = 1024 ** 3;
const LOOK_MS = 300_000;

/** A disk of 100 GiB on which every image takes 10. */
function world(images: readonly string[], othersGib: number, high = 85) {
  let left = [...images];
  let failure: FksError | undefined;
  let removedCount = 0;
  const clock = fakeClock();
  const disk = () => ({
    capacityBytes: 100 * GIB,
    availableBytes: (100 - othersGib - 10 * left.length) * GIB,
  });
  const collector = imageCollector({
    images: {
      ...noImages(),
      async reclaim({ isEnough }) {
        if (failure !== undefined) throw failure;
        const removed: string[] = [];
        while (!isEnough() && left.length > 0) removed.push(...left.splice(0, 1));
        return removed;
      },
    },
    thresholds: { high, low: 80 },
    disk,
    inUse: () => [],
    removed: (count) => void (removedCount += count),
    clock,
    log: memoryLog(),
  });
  return {
    collector,
    left: () => left,
    removed: () => removedCount,
    add: (name: string) => void (left = [...left, name]),
    fail: (error: FksError) => void (failure = error),
    reasons: () => collector.troubles().map(({ reason }) => reason),
    async look(): Promise<void> {
      clock.advance(LOOK_MS);
      await settled();
    },
  };
}

const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

let stop: AbortController;
beforeEach(() => void (stop = new AbortController()));
afterEach(() => stop.abort());

async function running(...args: Parameters<typeof world>) {
  const here = world(...args);
  void here.collector.run(stop.signal);
  await settled();
  return here;
}

describe("images go", () => {
  test("once the disk is as full as the upper mark, down to the lower one", async () => {
    const here = await running(["a", "b"], 64);
    expect(here.left()).toEqual(["a", "b"]);
    here.add("c");
    await here.look();

    expect(here.left()).toEqual(["c"]);
    expect([here.removed(), here.reasons()]).toEqual([2, []]);
  });

  test("never with an upper mark of 100, but when asked to", async () => {
    const here = await running(["a"], 90, 100);
    expect(here.left()).toEqual(["a"]);
    await here.collector.reclaim(stop.signal);

    expect(here.left()).toEqual([]);
  });
});

describe("it is told in the kubelet's words", () => {
  test("that not enough could go, and that it is not the first time", async () => {
    const here = await running(["a"], 85);
    expect(here.reasons()).toEqual(["FreeDiskSpaceFailed"]);
    await here.look();

    expect(here.reasons()).toEqual(["FreeDiskSpaceFailed", "FreeDiskSpaceFailed", "ImageGCFailed"]);
    expect(here.collector.troubles()[0]).toEqual({
      reason: "FreeDiskSpaceFailed",
      message:
        "Insufficient free disk space on the node's image filesystem (95% of 100.0 GiB used). " +
        "Failed to free sufficient space by deleting unused images (freed 10737418240 bytes). " +
        "Investigate disk usage, as it could be used by active images, logs, volumes, or other data.",
      at: "1970-01-01T00:00:00.000Z",
    });
  });

  test("that images cannot go, once that is no passing thing", async () => {
    const here = await running([], 10);
    here.fail(new FksError("Unavailable", "the disk is read-only"));
    await here.look();
    expect(here.reasons()).toEqual([]);
    await here.look();

    expect(here.collector.troubles()).toMatchObject([
      { reason: "ImageGCFailed", message: "the disk is read-only" },
    ]);
  });
});

test("what counts as used: containers' images and those of volumes, of every Machine there is", () => {
  const machine = startedMachine(POD);
  const gone = { ...startedMachine(POD), id: "gone", state: "destroyed" } as const;
  const bundles = { images: (id: string) => [`shown-by-${id}`] };

  expect([...imagesIn([machine, gone], bundles)]).toEqual(["web:1", `shown-by-${machine.id}`]);
});

import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { hostClock } from "#adapters/host/clock.ts";
import { builtImage, ociArchive } from "#scripts/image-archive.ts";
import { failureOf } from "#test/fixtures/failure.ts";
import { type TestImages, testImages } from "#test/fixtures/host-images.ts";
import { type TestRegistry, testRegistry } from "#test/fixtures/registry.ts";
import { fileLock } from "./file-lock.ts";
import type { ReclaimRequest } from "./images.ts";

const never = new AbortController().signal;
const MINUTE = 60_000;

let nowMs: number;
let here: TestImages;
let registry: TestRegistry;

beforeEach(() => {
  nowMs = 0;
  registry = testRegistry();
  here = testImages({ clock: { ...hostClock(), now: () => nowMs } });
});
afterEach(async () => {
  here[Symbol.dispose]();
  await registry[Symbol.asyncDispose]();
});

const named = (name: string): string => `${registry.host}/${name}:1`;

function image(name: string) {
  return builtImage({
    reference: `${name}:1`,
    config: { Cmd: ["/bin/hello"] },
    layers: [
      { entries: [{ path: "base", content: "the same in all" }], compression: "gzip" },
      { entries: [{ path: "name", content: name }] },
    ],
  });
}

/** Pulled, a minute before whatever comes next. */
async function pull(...names: readonly string[]): Promise<void> {
  for (const name of names) {
    registry.push(name, "1", image(name));
    // oxlint-disable-next-line no-await-in-loop -- one after the other is the point
    await here.images.ensure({ reference: named(name), pullPolicy: "IfNotPresent" }, never);
    nowMs += MINUTE;
  }
}

function reclaim(request: Partial<ReclaimRequest> = {}): Promise<readonly string[]> {
  const all = { inUse: [], minAgeMs: 0, isEnough: () => false };
  return here.images.reclaim({ ...all, ...request }, never);
}

async function left(): Promise<readonly string[]> {
  return (await here.images.list()).map(({ reference }) => reference);
}

const contents = (): readonly string[] =>
  ["blobs/sha256", "roots"].flatMap((folder) => readdirSync(join(here.folder, folder)));

describe("when disk is freed", () => {
  test("everything that nobody uses goes, with its layers and its root", async () => {
    await pull("a", "b");

    expect(await reclaim()).toEqual([named("a"), named("b")]);
    expect(await left()).toEqual([]);
    expect(contents()).toEqual([]);
  });

  test("the least recently used go first, and no more than is needed", async () => {
    await pull("a", "b", "c");
    await here.images.ensure({ reference: named("a"), pullPolicy: "Never" }, never);
    let asked = 0;
    const removed = await reclaim({ isEnough: () => asked++ === 2 });

    expect(removed).toEqual([named("b")]);
    expect(await left()).toEqual([named("a"), named("c")]);
  });

  test("what a Machine was given stays, by whatever name", async () => {
    await pull("a", "b");
    const { digest } = image("a").manifest;
    const inUse = [`${registry.host}/a@${digest}`, "NOT A NAME", "never.example/pulled:1"];

    expect(await reclaim({ inUse })).toEqual([named("b")]);
    await here.images.ensure({ reference: named("a"), pullPolicy: "Never" }, never);
  });

  test("what just came stays", async () => {
    await pull("a", "b");

    expect(await reclaim({ minAgeMs: 2 * MINUTE })).toEqual([named("a")]);
  });

  test("what was loaded from a file stays until a person removes it", async () => {
    const file = join(here.folder, "loaded.tar");
    writeFileSync(file, ociArchive([image("loaded")]));
    await here.images.load(file, never);

    expect(await reclaim()).toEqual([]);
    expect(await left()).toEqual(["docker.io/library/loaded:1"]);
    await here.images.remove("loaded:1", new Set());
    expect(contents()).toEqual([]);
  });

  test("content without a name goes also when there is room: a crash may have left it", async () => {
    await pull("a", "b");
    writeFileSync(join(here.folder, "refs.json"), JSON.stringify({ version: 1, images: {} }));

    expect(await reclaim({ isEnough: () => true })).toEqual([]);
    expect(contents()).toEqual([]);
  });

  test("layers that another image needs stay", async () => {
    await pull("a", "b");

    await reclaim({ inUse: [named("b")] });
    await here.images.ensure({ reference: named("b"), pullPolicy: "Never" }, never);
    expect(contents()).toHaveLength(5);
  });

  test("nothing goes while images are taken in, which is told after a while", async () => {
    await pull("a");
    const timeouts: AbortController[] = [];
    const clock = {
      ...hostClock(),
      timeout: () => {
        const timeout = new AbortController();
        timeouts.push(timeout);
        return timeout.signal;
      },
    };
    const lock = fileLock(join(here.folder, "content.lock"), hostClock());
    await lock.hold(
      "shared",
      async () => {
        const request = { inUse: [], minAgeMs: 0, isEnough: () => false };
        const reclaimed = failureOf(here.another({ clock }).reclaim(request, never));
        timeouts[0]?.abort(new Error("late"));
        expect(await reclaimed).toBe("Unavailable: images are being taken in, none goes meanwhile");
      },
      never,
    );
    expect(contents()).not.toEqual([]);
  });
});

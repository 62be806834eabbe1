import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync, statfsSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { hostClock } from "#adapters/host/clock.ts";
import { builtImage } from "#scripts/image-archive.ts";
import { memoryLog } from "#test/fakes/log.ts";
import { testRegistry } from "#test/fixtures/registry.ts";
import { imageCollector } from "./image-collector.ts";
import { hostImages } from "./images/host-images.ts";

const KIB = 1024;

let folder: string;

/** A disk of 8 MiB. */
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "fks-room-"));
  expect(Bun.spawnSync(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", folder]).exitCode).toBe(
    0,
  );
});
afterAll(() => {
  Bun.spawnSync(["umount", folder]);
  rmSync(folder, { recursive: true });
});

function usedPercent(): number {
  const { blocks, bavail } = statfsSync(folder);
  return Math.round(100 - (100 * bavail) / blocks);
}

test("a small disk that images have filled has room again, and what is used is still there", async () => {
  await using registry = testRegistry();
  const stop = new AbortController();
  let nowMs = 0;
  const clock = { ...hostClock(), now: () => nowMs };
  const images = hostImages({ folder: join(folder, "images"), clock });
  const named = (name: string): string => `${registry.host}/${name}:1`;
  for (const name of ["a", "b", "c"]) {
    // What cannot be compressed is there twice: as a layer and as a file.
    const content = crypto.getRandomValues(new Uint8Array(60 * KIB));
    const entries = Array.from({ length: 18 }, (_, index) => ({ path: `f${index}`, content }));
    registry.push(name, "1", builtImage({ reference: name, config: {}, layers: [{ entries }] }));
    // oxlint-disable-next-line no-await-in-loop -- one after the other is the point
    await images.ensure({ reference: named(name), pullPolicy: "IfNotPresent" }, stop.signal);
    nowMs += 60_000;
  }
  nowMs += 120_000;
  expect(usedPercent()).toBeGreaterThan(70);

  const collector = imageCollector({
    images,
    thresholds: { high: 70, low: 55 },
    disk: () => {
      const { blocks, bavail, bsize } = statfsSync(folder);
      return { capacityBytes: blocks * bsize, availableBytes: bavail * bsize };
    },
    inUse: () => [named("a")],
    removed: () => {},
    clock,
    log: memoryLog(),
  });
  const running = collector.run(stop.signal);
  while (usedPercent() > 55) await Bun.sleep(5);
  stop.abort();
  await running;

  const left = (await images.list()).map(({ reference }) => reference);
  expect(left).toEqual([named("a"), named("c")]);
  expect(collector.troubles()).toEqual([]);
});

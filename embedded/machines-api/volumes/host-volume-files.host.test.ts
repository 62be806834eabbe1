import { afterEach, describe, expect, test } from "bun:test";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statfsSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { GIB } from "#core/fly/volume.ts";
import { memoryLog } from "#test/fakes/log.ts";
import { hostVolumeFiles, thawVolumes, unmountVolumes } from "./host-volume-files.ts";
import { deviceAt, isInUse } from "./loop-mounts.ts";
import type { VolumeFile, VolumeFiles } from "./volume-files.ts";
import type { Backing } from "./volume-record.ts";

const never = new AbortController().signal;
const hasLoops = process.getuid?.() === 0 && existsSync("/dev/loop-control");
const made: string[] = [];

afterEach(() => {
  for (const folder of made.splice(0)) {
    unmountVolumes(folder);
    rmSync(folder, { recursive: true, force: true });
  }
});

function world(backing?: Exclude<Backing, "none">): { folder: string; files: VolumeFiles } {
  const folder = mkdtempSync(`${tmpdir()}/fks-volume-files-`);
  made.push(folder);
  const choice = backing === undefined ? {} : { backing };
  return { folder, files: hostVolumeFiles({ folder, log: memoryLog(), ...choice }) };
}

const volume = (id: string, backing: Backing = "image", sizeGb = 1): VolumeFile => ({
  id,
  sizeGb,
  backing,
});

async function mounted(files: VolumeFiles, one: VolumeFile): Promise<string> {
  await files.make(one, undefined, never);
  await files.mount(one, true, never);
  return files.folderOf(one.id);
}

describe.skipIf(!hasLoops)("volumes in files", () => {
  test("are what this host gives; their data are there again after a release", async () => {
    const { files, folder } = world();
    expect(await files.backing(never)).toBe("image");
    const one = volume("vol_a");
    writeFileSync(`${await mounted(files, one)}/hello`, "there");
    const image = `${folder}/vol_a/image.ext4`;
    await files.release(one, never);
    expect([deviceAt(files.folderOf("vol_a")), isInUse(image)]).toEqual([undefined, false]);
    expect(existsSync(`${files.folderOf("vol_a")}/hello`)).toBe(false);

    await files.mount(one, true, never);
    expect(readFileSync(`${files.folderOf("vol_a")}/hello`, "utf8")).toBe("there");
  });

  test("have the size that was asked for, all of it for everybody, and no more", async () => {
    const { files } = world();
    const folder = await mounted(files, volume("vol_a"));
    const { blocks, bavail, bsize } = statfsSync(folder);
    expect(blocks * bsize).toBeGreaterThan(0.9 * GIB);
    expect(bavail * bsize).toBeGreaterThan(0.9 * GIB);
    expect(blocks * bsize).toBeLessThanOrEqual(GIB);
    const fill = Bun.spawn(["dd", "if=/dev/zero", `of=${folder}/full`, "bs=64M", "count=20"], {
      stderr: "pipe",
    });
    expect(await fill.stderr.text()).toContain("No space left on device");
    expect(files.usage(volume("vol_a")).bytesFree).toBeLessThan(GIB / 100);
  });

  test("are found mounted by a later process, and mounted once", async () => {
    const { files, folder } = world();
    const one = volume("vol_a");
    const data = await mounted(files, one);
    const device = deviceAt(data);
    const later = hostVolumeFiles({ folder, log: memoryLog() });
    await later.mount(one, true, never);
    expect(deviceAt(data)).toBe(device ?? "none");
    await later.release(one, never);
    expect(deviceAt(data)).toBeUndefined();
  });

  test("grow: at once where nobody uses them, else at the latest when they are mounted anew", async () => {
    const { files } = world();
    await files.make(volume("vol_a"), undefined, never);
    expect(await files.grow(volume("vol_a", "image", 2), never)).toBe(true);
    expect(files.usage(volume("vol_a")).bytesTotal).toBe(2 * GIB);

    const data = await mounted(files, volume("vol_b"));
    writeFileSync(`${data}/hello`, "there");
    const larger = volume("vol_b", "image", 2);
    const isGrown = await files.grow(larger, never);
    expect(files.usage(larger).bytesTotal).toBe((isGrown ? 2 : 1) * GIB);
    await files.mount(larger, false, never);
    await files.mount(larger, true, never);
    expect(files.usage(larger).bytesTotal).toBe(2 * GIB);
    expect(readFileSync(`${data}/hello`, "utf8")).toBe("there");
  });

  test("are put right after their writer was cut off", async () => {
    const { files, folder } = world();
    const one = volume("vol_a");
    const data = await mounted(files, one);
    writeFileSync(`${data}/hello`, "there");
    await Bun.spawn(["sync", "-f", data]).exited;
    // What a power cut leaves: the image as it is while it is mounted.
    mkdirSync(`${folder}/vol_cut/data`, { recursive: true });
    const image = `${folder}/vol_cut/image.ext4`;
    await Bun.spawn(["cp", "--sparse=always", `${folder}/vol_a/image.ext4`, image]).exited;
    await files.mount(volume("vol_cut"), true, never);
    expect(readFileSync(`${files.folderOf("vol_cut")}/hello`, "utf8")).toBe("there");
  });

  test("a copy shows what was there in one moment, and grows to its own size", async () => {
    const { files } = world();
    const data = await mounted(files, volume("vol_a"));
    writeFileSync(`${data}/hello`, "before");
    expect(await files.takeSnapshot(volume("vol_a"), "vs_a", never)).toBeGreaterThan(0);
    writeFileSync(`${data}/hello`, "after");
    for (const [id, from] of [
      ["vol_b", { kind: "snapshot", id: "vs_a" }],
      ["vol_c", { kind: "volume", id: "vol_a" }],
    ] as const) {
      await files.make(volume(id, "image", 2), from, never);
      await files.mount(volume(id, "image", 2), true, never);
    }
    expect(readFileSync(`${files.folderOf("vol_b")}/hello`, "utf8")).toBe("before");
    expect(readFileSync(`${files.folderOf("vol_c")}/hello`, "utf8")).toBe("after");
    expect(files.usage(volume("vol_b", "image", 2)).bytesTotal).toBe(2 * GIB);
    await files.removeSnapshot("vs_a");
  });

  test("a volume that a killed copy had frozen can be written to again", async () => {
    const { files, folder } = world();
    const data = await mounted(files, volume("vol_a"));
    await Bun.spawn(["fsfreeze", "-f", data]).exited;
    await thawVolumes(folder, never);
    const write = Bun.spawn(["timeout", "5", "touch", `${data}/hello`]);
    expect(await write.exited).toBe(0);
  });

  test("nothing is left of one that was removed while it was mounted", async () => {
    const { files, folder } = world();
    const data = await mounted(files, volume("vol_a"));
    await files.remove(volume("vol_a"), never);
    expect(deviceAt(data)).toBeUndefined();
    expect(existsSync(`${folder}/vol_a`)).toBe(false);
    await files.remove(volume("vol_a"), never);
  });

  test("what another try of making one left is made anew", async () => {
    const { files, folder } = world();
    mkdirSync(`${folder}/vol_a`, { recursive: true });
    writeFileSync(`${folder}/vol_a/image.ext4`, "half");
    expect(existsSync(`${await mounted(files, volume("vol_a"))}/lost+found`)).toBe(true);
  });
});

describe("volumes that are folders", () => {
  const one = volume("vol_a", "folder");

  test("keep and copy their data without a mount", async () => {
    const { files } = world("folder");
    writeFileSync(`${await mounted(files, one)}/hello`, "there");
    expect(deviceAt(files.folderOf("vol_a"))).toBeUndefined();
    expect(await files.grow({ ...one, sizeGb: 2 }, never)).toBe(true);
    await files.takeSnapshot(one, "vs_a", never);
    const from = { kind: "snapshot", id: "vs_a" } as const;
    await files.make(volume("vol_b", "folder"), from, never);
    expect(readFileSync(`${files.folderOf("vol_b")}/hello`, "utf8")).toBe("there");
    await files.release(one, never);
    expect(readFileSync(`${files.folderOf("vol_a")}/hello`, "utf8")).toBe("there");
    await files.remove(one, never);
    expect(existsSync(files.folderOf("vol_a"))).toBe(false);
  });
});

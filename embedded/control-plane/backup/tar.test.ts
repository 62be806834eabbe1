import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { open, readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { succeed } from "#test/e2e/process.ts";
import { type TarFile, tarMembers, writeTar } from "./tar.ts";

const folder = mkdtempSync(join(tmpdir(), "fks-tar-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const AT_MS = Date.UTC(2026, 10, 22, 7, 1, 2);

function textFile(name: string, text: string): TarFile {
  const bytes = Buffer.from(text);
  return {
    name,
    bytes: bytes.length,
    content: async function* () {
      yield bytes;
    },
  };
}

async function archiveOf(...files: readonly TarFile[]): Promise<string> {
  const path = join(folder, crypto.randomUUID());
  const handle = await open(path, "w");
  try {
    await writeTar(handle, files, AT_MS, new AbortController().signal);
  } finally {
    await handle.close();
  }
  return path;
}

async function contentIn(path: string): Promise<Record<string, string>> {
  const handle = await open(path, "r");
  try {
    const found: Record<string, string> = {};
    for await (const member of tarMembers(handle)) {
      let text = "";
      for await (const chunk of member.content()) text += Buffer.from(chunk).toString();
      found[member.name] = text;
    }
    return found;
  } finally {
    await handle.close();
  }
}

test("what a disk takes in pieces is whole all the same, and a full one is told", async () => {
  const written: Buffer[] = [];
  let room = 2_500;
  const handle = {
    write: async (bytes: Uint8Array, at: number) => {
      if (room === 0) throw new Error("ENOSPC: no space left on device");
      const bytesWritten = Math.min(bytes.length - at, 1_000, room);
      written.push(Buffer.from(bytes.subarray(at, at + bytesWritten)));
      room -= bytesWritten;
      return { bytesWritten };
    },
  };
  const write = (text: string) =>
    writeTar(handle, [textFile("a", text)], AT_MS, new AbortController().signal);

  expect(await write("x".repeat(3_000)).catch(String)).toContain("ENOSPC");
  room = Number.POSITIVE_INFINITY;
  written.length = 0;
  await write("x".repeat(3_000));
  const path = join(folder, "pieces.tar");
  writeFileSync(path, Buffer.concat(written));
  expect(await contentIn(path)).toEqual({ a: "x".repeat(3_000) });
});

test("any tar reads what was written, and we do", async () => {
  const content = { "cluster.json": "{}", "keys/token": "", "state.db": "x".repeat(3_000_000) };
  const files = Object.entries(content).map(([name, text]) => textFile(name, text));
  const path = await archiveOf(...files);

  expect(await contentIn(path)).toEqual(content);
  expect(await succeed(["tar", "-tvf", path], { env: { TZ: "UTC" } })).toContain(
    "-rw------- 0/0               2 2026-11-22 07:01 cluster.json",
  );
  expect(await succeed(["tar", "-xOf", path, "state.db"])).toBe(content["state.db"]);
});

test("a size that octal digits cannot say is written as tar reads it", async () => {
  const bytes = 9 * 1_024 ** 3;
  const path = join(folder, "huge.tar");
  const handle = await open(path, "w+");
  const empty = { ...textFile("state.db", ""), bytes };
  const cut = await writeTar(handle, [empty], AT_MS, new AbortController().signal).catch(String);
  await handle.truncate(512 + bytes + 1_024);
  await handle.close();

  expect(cut).toContain("state.db changed while it was read");
  expect(await succeed(["tar", "-tvf", path])).toContain(` ${bytes} `);
  const again = await open(path, "r");
  const { value } = await tarMembers(again).next();
  await again.close();
  expect(value).toMatchObject({ name: "state.db", bytes });
});

test("what is no plain file is refused", async () => {
  const target = join(folder, "target");
  writeFileSync(target, "secret");
  await succeed(["ln", "-s", "/etc/passwd", join(folder, "link")]);
  await succeed(["mkdir", join(folder, "keys")]);

  for (const name of ["link", "keys"]) {
    const path = join(folder, `${name}.tar`);
    await succeed(["tar", "--format=ustar", "-C", folder, "-cf", path, name]);
    expect(await contentIn(path).catch(String)).toMatch(/holds "(link|keys\/)", which is no plain/);
  }
});

test("an archive that is cut, goes on or was changed is refused", async () => {
  const whole = await readFile(await archiveOf(textFile("a", "x".repeat(700))));
  const at = join(folder, "changed");
  const after = async (bytes: Buffer): Promise<unknown> => {
    writeFileSync(at, bytes);
    return contentIn(at).catch(String);
  };

  for (const length of [0, 1, 511, 512, 1_000, 1_535, whole.length - 1_024]) {
    expect(await after(whole.subarray(0, length))).toContain("ends in the middle");
  }
  expect(await after(Buffer.concat([whole, Buffer.alloc(10_000)]))).toHaveProperty("a");
  expect(await after(Buffer.concat([whole, Buffer.from("more")]))).toContain("goes on after");
  for (const offset of [0, 100, 124, 148, 156, 257]) {
    const changed = Buffer.from(whole);
    changed[offset] = (changed[offset] ?? 0) ^ 1;
    expect(await after(changed)).toContain("is damaged");
  }
});

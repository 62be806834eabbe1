import { afterAll, describe, expect, test } from "bun:test";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { open } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { succeed } from "#test/e2e/process.ts";
import { kineDatabase } from "#test/fixtures/kine.ts";
import { type BackupSource, writeBackup } from "./backup.ts";
import type { Manifest } from "./manifest.ts";
import { sha256OfText } from "./sha256.ts";
import { tarMembers, writeTar } from "./tar.ts";
import { unpackBackup } from "./unpack.ts";

const root = mkdtempSync(join(tmpdir(), "fks-backup-"));
afterAll(() => rmSync(root, { recursive: true, force: true }));

const { signal } = new AbortController();
const NOW_MS = Date.UTC(2026, 10, 22, 7, 1, 2);

/** A data directory with two objects and a key, and where a backup of it would go. */
function world(): { folder: string; source: BackupSource; file: string; into: string } {
  const folder = mkdtempSync(join(root, "w-"));
  const kine = kineDatabase(join(folder, "kine/state.db"));
  kine.put("/registry/namespaces/default", "1");
  kine.put("/registry/namespaces/gone", "1");
  kine.remove("/registry/namespaces/gone");
  kine.put("/registry/namespaces/kept", "2");
  kine.put("compact_rev_key", "0");
  kine.close();
  writeFileSync(join(folder, "cluster.json"), `{"name":"local"}`);
  writeFileSync(join(folder, "ca.key"), "a private key");
  mkdirSync(join(folder, "into"));
  const source: BackupSource = {
    about: {
      fksNodeVersion: "0.1.0",
      engine: "upstream",
      kubernetesVersion: "v1.36.3",
      clusterName: "local",
      clusterUid: "uid-1",
      networkId: "0a0b0c0d",
      keysFingerprint: "f".repeat(64),
    },
    clusterFile: join(folder, "cluster.json"),
    database: kine.path,
    keys: [{ name: "keys/ca.key", path: join(folder, "ca.key") }],
    nowMs: NOW_MS,
  };
  return { folder, source, file: join(folder, "b.tar"), into: join(folder, "into") };
}

describe("a backup", () => {
  test("holds the datastore, the cluster's file and its keys, for its owner's eyes", async () => {
    const { source, file, into, folder } = world();
    const { manifest, bytes } = await writeBackup(file, source, signal);

    expect(manifest).toMatchObject({
      ...source.about,
      formatVersion: 1,
      createdAt: "2026-11-22T07:01:02Z",
      objects: 2,
    });
    expect(statSync(file)).toMatchObject({ size: bytes, mode: 0o100600 });
    expect(await unpackBackup(file, into, signal)).toEqual(manifest);
    expect(readFileSync(join(into, "cluster.json"), "utf8")).toBe(`{"name":"local"}`);
    expect(readFileSync(join(into, "keys/ca.key"), "utf8")).toBe("a private key");
    expect(statSync(join(into, "keys/ca.key")).mode & 0o777).toBe(0o600);
    const copy = kineDatabase(join(into, "state.db"));
    expect(copy.values()).toEqual(kineDatabase(source.database).values());
    expect(readdirSync(folder).filter((name) => name.startsWith("."))).toEqual([]);
  });

  test("made while the datastore is written to is of one moment", async () => {
    const { source, file, into } = world();
    const program = join(import.meta.dir, "../../../test/programs/writes-kine.ts");
    const writer = Bun.spawn([process.execPath, program, source.database], { stdout: "pipe" });
    try {
      for await (const _ of writer.stdout) break;
      await writeBackup(file, source, signal);
      expect(writer.exitCode).toBeNull();
    } finally {
      writer.kill("SIGKILL");
      await writer.exited;
    }

    await unpackBackup(file, into, signal);
    const { "/registry/left": left, "/registry/right": right } = kineDatabase(
      join(into, "state.db"),
    ).values();
    expect(Number(left)).toBeGreaterThanOrEqual(100);
    expect(right).toBe(left ?? "");
  });

  test("has what a killed writer left in the -wal alone", async () => {
    const { source, file, into } = world();
    const script = `
      import { kineDatabase } from "#test/fixtures/kine.ts";
      kineDatabase(${JSON.stringify(source.database)}).put("/registry/last", "words");
      process.kill(process.pid, "SIGKILL");`;
    const writer = Bun.spawn([process.execPath, "-e", script], { cwd: import.meta.dir });
    await writer.exited;
    expect(statSync(`${source.database}-wal`).size).toBeGreaterThan(0);

    await writeBackup(file, source, signal);
    await unpackBackup(file, into, signal);
    expect(kineDatabase(join(into, "state.db")).values()["/registry/last"]).toBe("words");
  });

  test("goes on counting where the datastore was: a revision is never used twice", async () => {
    const { source, file, into } = world();
    await writeBackup(file, source, signal);
    await unpackBackup(file, into, signal);

    const newest = `SELECT seq FROM sqlite_sequence WHERE name = 'kine'`;
    const sql = (path: string) => succeed([process.execPath, "-e", SQL, path, newest]);
    expect(await sql(join(into, "state.db"))).toBe(await sql(source.database));
  });

  test("never replaces a file, and leaves nothing when it fails", async () => {
    const { source, file, folder } = world();
    const names = readdirSync(folder);
    const failing = (change: Partial<BackupSource>, to = file): Promise<string> =>
      writeBackup(to, { ...source, ...change }, signal).then(() => "written", String);

    expect(await failing({ database: join(folder, "none.db") })).toContain("there is no datastore");
    expect(await failing({}, join(folder, "no/b.tar"))).toContain("there is no folder");
    expect(await failing({ keys: [{ name: "keys/x", path: "/none" }] })).toContain("ENOENT");
    const stopped = AbortSignal.abort(new Error("stopped"));
    expect(await writeBackup(file, source, stopped).catch(String)).toContain("stopped");
    expect(readdirSync(folder)).toEqual(names);

    writeFileSync(file, "precious");
    expect(await failing({})).toContain("is there already");
    expect(readFileSync(file, "utf8")).toBe("precious");
  });

  test("of a damaged datastore is refused", async () => {
    const { source, file, folder } = world();
    writeFileSync(source.database, "no database, but long enough to be taken for one".repeat(99));
    expect(await writeBackup(file, source, signal).catch(String)).toContain(
      `${source.database} is damaged`,
    );

    const whole = world();
    truncateSync(whole.source.database, statSync(whole.source.database).size - 4_096);
    expect(await writeBackup(whole.file, whole.source, signal).catch(String)).toContain("damaged");
    expect(existsSync(whole.file) || existsSync(join(folder, "b.tar"))).toBe(false);
  });
});

const SQL = `
  import { Database } from "bun:sqlite";
  const [path, sql] = process.argv.slice(-2);
  console.log(JSON.stringify(new Database(path).query(sql).all()));`;

/** What unpacking says of an archive that was made again from another manifest and datastore. */
async function forged(
  change: (manifest: Manifest) => object,
  database?: (bytes: Buffer) => Buffer,
  rename = (name: string) => name,
): Promise<string> {
  const { source, file, into, folder } = world();
  const { manifest } = await writeBackup(file, source, signal);
  const handle = await open(file, "r");
  const content = new Map<string, Buffer>();
  for await (const member of tarMembers(handle)) {
    const chunks: Uint8Array[] = [];
    for await (const chunk of member.content()) chunks.push(Buffer.from(chunk));
    content.set(member.name, Buffer.concat(chunks));
  }
  await handle.close();

  const bytes = content.get("state.db") ?? Buffer.alloc(0);
  const other = database?.(bytes) ?? bytes;
  content.set("state.db", other);
  const files = manifest.files.map((it) =>
    it.path === "state.db" ? { ...it, bytes: other.length, sha256: sha256OfText(other) } : it,
  );
  const text = JSON.stringify(change({ ...manifest, files }));
  content.set("manifest.json", Buffer.from(text));
  content.set("manifest.sha256", Buffer.from(`${sha256OfText(text)}  manifest.json\n`));
  const made = join(folder, "forged.tar");
  const out = await open(made, "w");
  const members = [...content].map(([name, whole]) => ({
    name: rename(name),
    bytes: whole.length,
    async *content() {
      yield whole;
    },
  }));
  await writeTar(out, members, NOW_MS, signal);
  await out.close();
  return unpackBackup(made, into, signal).then(() => "good", String);
}

/** What unpacking says of the archive after `change`. */
async function told(change: (bytes: Buffer) => Buffer): Promise<string> {
  const { source, file, into } = world();
  await writeBackup(file, source, signal);
  writeFileSync(file, change(readFileSync(file)));
  const said = await unpackBackup(file, into, signal).then(() => "good", String);
  return said.replace(file, "FILE");
}

function leadingOut(name: string): string {
  return name.replace("keys/ca.key", "../../evil.key");
}

describe("an archive that is no good is told from a good one before anything is touched", () => {
  test("when it is cut anywhere", async () => {
    expect(await told((bytes) => bytes)).toBe("good");
    expect(await told((bytes) => bytes.subarray(0, 0))).toContain("FILE is no backup of fks-node");
    for (const share of [0.1, 0.5, 0.9, 0.99]) {
      const cut = await told((bytes) => bytes.subarray(0, Math.floor(bytes.length * share)));
      expect(cut).toContain("FILE is damaged: it ends in the middle");
    }
  });

  test("when one bit of it changed", async () => {
    const { source, file, into } = world();
    await writeBackup(file, source, signal);
    const whole = readFileSync(file);
    const content = whole.indexOf("a private key");
    for (const offset of [513, content, whole.length - 1_500]) {
      const changed = Buffer.from(whole);
      changed[offset] = (changed[offset] ?? 0) ^ 1;
      writeFileSync(file, changed);
      expect(await unpackBackup(file, into, signal).catch(String)).toContain("is damaged");
      rmSync(into, { recursive: true });
      mkdirSync(into);
    }
  });

  test("when something else is in it, or leads out of it", async () => {
    expect(await forged((manifest) => manifest, undefined, leadingOut)).toContain(
      `"../../evil.key" stands where keys/ca.key should be`,
    );
    expect(await told(() => Buffer.from("#!/bin/sh\n".repeat(100)))).toContain("is no backup of");
    expect(await told((bytes) => Buffer.concat([bytes, Buffer.from("more")]))).toContain(
      "goes on after its end",
    );

    const { folder, into } = world();
    const elsewhere = join(folder, "elsewhere.tar");
    await succeed(["tar", "-C", folder, "-cf", elsewhere, "cluster.json", "kine"]);
    expect(await unpackBackup(elsewhere, into, signal).catch(String)).toContain(
      `${elsewhere} is no backup of fks-node`,
    );
    expect(await unpackBackup(join(folder, "none"), into, signal).catch(String)).toContain(
      "there is no file",
    );
    expect(readdirSync(into)).toEqual([]);
  });

  test.each([
    ["a path that leads out", { path: "keys/../../../etc/x" }],
    ["an absolute path", { path: "/etc/passwd" }],
    ["a hidden name", { path: "keys/.x" }],
    ["a size that is none", { bytes: -1 }],
  ])("when its manifest names %s", async (_, change) => {
    const made = await forged((manifest) => ({
      ...manifest,
      files: manifest.files.map((file) =>
        file.path === "keys/ca.key" ? { ...file, ...change } : file,
      ),
    }));
    expect(made).toContain("its manifest is wrong (files");
  });

  test("when its datastore was no good from the start", async () => {
    expect(await forged((manifest) => manifest)).toBe("good");
    expect(
      await forged(
        (manifest) => manifest,
        () => Buffer.from("nonsense".repeat(999)),
      ),
    ).toContain("its state.db is damaged");
    expect(
      await forged(
        (manifest) => manifest,
        () => Buffer.alloc(0),
      ),
    ).toContain("its state.db is damaged");
    expect(await forged((manifest) => ({ ...manifest, objects: 3 }))).toContain(
      "its datastore has 2 objects, not 3",
    );
  });

  test("when its format is a later one", async () => {
    expect(await forged((manifest) => ({ ...manifest, formatVersion: 2 }))).toContain(
      "is a backup of format 2, and this fks-node reads format 1",
    );
  });
});

import { afterAll, describe, expect, test } from "bun:test";
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { FksError } from "#core/errors.ts";
import { ENGINE_NAMES, type EngineName } from "#embedded/control-plane/engine.ts";
import { failingChanges } from "#test/fakes/file-changes.ts";
import {
  type DataDirectory,
  dataDirectory,
  emptyDirectory,
} from "#test/fixtures/data-directory.ts";
import { backUp } from "./backup-data.ts";
import { backupFilesOf } from "./backup-files.ts";
import {
  dropStaged,
  forgetOldReplaced,
  mergedCluster,
  putInPlace,
  stageBackup,
  undoCutRestore,
} from "./restore-data.ts";

const root = mkdtempSync(join(tmpdir(), "fks-restore-"));
afterAll(() => rmSync(root, { recursive: true, force: true }));

const { signal } = new AbortController();
const NOW_MS = Date.UTC(2026, 10, 22, 7, 1, 2);
const DEFAULT = "/registry/namespaces/default";
const KEPT = "/registry/namespaces/kept";

const freshFolder = (): string => mkdtempSync(join(root, "d-"));

async function backupOf(it: DataDirectory, { withKeys = true } = {}): Promise<string> {
  const file = join(freshFolder(), "backup.tar");
  const cluster = await it.cluster();
  await backUp({ paths: it.paths, cluster, file, withKeys, nowMs: NOW_MS }, signal);
  return file;
}

async function restore(it: DataDirectory, file: string, tokenFile?: string): Promise<string> {
  const staged = await stageBackup(
    { file, paths: it.paths, ...(tokenFile && { tokenFile }) },
    signal,
  );
  return putInPlace(staged, { paths: it.paths, nowMs: NOW_MS });
}

/** What is refused, and that nothing was touched. */
async function refusal(it: DataDirectory, file: string, tokenFile?: string): Promise<FksError> {
  const before = filesIn(it);
  const error: unknown = await restore(it, file, tokenFile).then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof FksError)) throw new Error(`not refused: ${String(error)}`);
  expect(filesIn(it)).toEqual(before);
  return error;
}

function filesIn({ paths }: DataDirectory): Record<string, string> {
  const found = readdirSync(paths.dataDir, { recursive: true, withFileTypes: true });
  return Object.fromEntries(
    found
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name))
      .map((path) => [path.slice(paths.dataDir.length), readFileSync(path, "latin1")]),
  );
}

function keysOf({ paths }: DataDirectory, engine: EngineName): string[] {
  return backupFilesOf(engine, paths).keys.map(({ path }) => readFileSync(path, "utf8"));
}

describe.each(ENGINE_NAMES)("a cluster of engine %s", (engine) => {
  test("is again what it was at the backup, and what was there is kept", async () => {
    const it = dataDirectory(freshFolder(), engine);
    const file = await backupOf(it);
    it.put(KEPT);
    it.put("/registry/namespaces/later", "1");
    it.write("backups/trial.json", "{}");
    it.write("machines/machines.db", "untouched");
    writeFileSync(`${it.database}-wal`, "of the old datastore");

    const keptIn = await restore(it, file);

    expect(existsSync(`${it.database}-wal`)).toBe(false);
    expect(it.objects()).toEqual([DEFAULT, KEPT]);
    expect(existsSync(join(it.paths.dataDir, "backups/trial.json"))).toBe(false);
    expect(statSync(it.database).mode & 0o777).toBe(0o600);
    expect(readFileSync(it.paths.machinesDatabase, "utf8")).toBe("untouched");
    expect(readdirSync(join(it.paths.dataDir, "backups"))).toEqual(["replaced-20261122T070102Z"]);
    expect(readFileSync(join(keptIn, "cluster.json"), "utf8")).toContain("uid-1");
  });

  test("is the same cluster in an empty data directory", async () => {
    const it = dataDirectory(freshFolder(), engine, { apiPort: 6_501 });
    const other = emptyDirectory(freshFolder(), engine);
    await restore(other, await backupOf(it));

    expect(await other.cluster()).toEqual(await it.cluster());
    expect(other.objects()).toEqual([DEFAULT, KEPT]);
    expect(keysOf(other, engine)).toEqual(keysOf(it, engine));
  });

  test("is not given to another cluster, to another engine, or to other keys", async () => {
    const file = await backupOf(dataDirectory(freshFolder(), engine));
    const otherEngine = ENGINE_NAMES.find((name) => name !== engine) ?? engine;

    const otherUid = dataDirectory(freshFolder(), engine, { clusterUid: "uid-2", name: "demo" });
    expect(await refusal(otherUid, file)).toMatchObject({
      code: "Conflict",
      message: `${file} is of cluster local (uid-1), in ${otherUid.paths.dataDir} is cluster demo (uid-2): restore it into an empty data directory`,
    });
    const otherNetwork = dataDirectory(freshFolder(), engine, { networkId: "00000000" });
    expect(await refusal(otherNetwork, file)).toMatchObject({ code: "Conflict" });
    const wrongEngine = dataDirectory(freshFolder(), otherEngine);
    expect(await refusal(wrongEngine, file)).toMatchObject({
      code: "Conflict",
      message: `${file} is of a cluster with engine ${engine}, the cluster in ${wrongEngine.paths.dataDir} has engine ${otherEngine}`,
    });
    const wrongKeys = dataDirectory(freshFolder(), engine, { key: "other" });
    expect(await refusal(wrongKeys, file)).toMatchObject({
      code: "Unauthorized",
      message: `${file} was made with other keys than ${wrongKeys.paths.dataDir} has: ${engine === "k3s" ? "the token" : "the keys"} there cannot open it`,
    });
  });

  test("needs its keys again when they were kept apart", async () => {
    const it = dataDirectory(freshFolder(), engine);
    const file = await backupOf(it, { withKeys: false });
    const secret = keysOf(it, engine)[0] ?? "";
    expect(readFileSync(file, "latin1")).not.toContain(secret);
    const empty = emptyDirectory(freshFolder(), engine);
    const error = await refusal(empty, file);
    expect(error.code).toBe("Unauthorized");
    expect(error.message).toContain(
      engine === "k3s" ? "--token-file" : "copy the cluster's own pki",
    );

    it.put(KEPT);
    await restore(it, file);
    expect(it.objects()).toEqual([DEFAULT, KEPT]);
    expect(keysOf(it, engine)[0]).toBe(secret);
  });

  test("cut anywhere is as it was before, and can be restored then", async () => {
    const it = dataDirectory(freshFolder(), engine);
    const file = await backupOf(it);
    it.put(KEPT);
    const before = filesIn(it);

    for (let at = 0; ; at++) {
      const staged = await stageBackup({ file, paths: it.paths }, signal);
      const changes = failingChanges(at, "death");
      const end = await putInPlace(staged, { paths: it.paths, nowMs: NOW_MS, changes }).then(
        () => "restored",
        String,
      );
      if (end === "restored") break;
      // Before the first change there is nothing to undo.
      expect(await undoCutRestore(it.paths)).toBe(at > 0);
      expect(filesIn(it)).toEqual(before);
    }
    expect(it.objects()).toEqual([DEFAULT, KEPT]);
  });
});

describe("a K3s cluster", () => {
  test("gets certificates from its datastore again, not from the folder they were in", async () => {
    const it = dataDirectory(freshFolder(), "k3s");
    await restore(it, await backupOf(it));

    expect(existsSync(join(it.paths.dataDir, "k3s/server/tls"))).toBe(false);
    expect(existsSync(join(it.paths.dataDir, "k3s/server/cred"))).toBe(false);
    expect(existsSync(join(it.paths.dataDir, "k3s/server/token"))).toBe(true);
  });

  test("takes its token from a file, in either form, and no other token", async () => {
    const it = dataDirectory(freshFolder(), "k3s");
    const file = await backupOf(it, { withKeys: false });
    const [short, long] = ["tokens/k3s", "k3s/server/token"].map((p) => join(it.paths.dataDir, p));
    for (const tokenFile of [short, long]) {
      const empty = emptyDirectory(freshFolder(), "k3s");
      await restore(empty, file, tokenFile);
      expect(readFileSync(join(empty.paths.dataDir, "tokens/k3s"), "utf8")).toBe("0f".repeat(32));
      expect(empty.objects()).toEqual([DEFAULT, KEPT]);
    }

    const wrong = join(root, "wrong-token");
    writeFileSync(wrong, "fe".repeat(32));
    const empty = emptyDirectory(freshFolder(), "k3s");
    expect(await refusal(empty, file, wrong)).toMatchObject({
      code: "Unauthorized",
      message: `the token in ${wrong} is not the one ${file} was made with`,
    });
    expect(await refusal(empty, file, "/none")).toMatchObject({ code: "NotFound" });
  });

  test("whose two copies of the token differ is neither backed up nor restored", async () => {
    const it = dataDirectory(freshFolder(), "k3s");
    const file = await backupOf(it);
    it.write("tokens/k3s", "another");

    expect(await refusal(it, file)).toMatchObject({ code: "Unauthorized" });
    expect(await backupOf(it).catch(String)).toContain("hold different tokens");
  });
});

test("a token is not for the upstream parts", async () => {
  const it = dataDirectory(freshFolder(), "upstream");
  expect(await refusal(it, await backupOf(it), "/none")).toMatchObject({ code: "InvalidInput" });
});

test("there is nothing to back up before the first readiness, nor without a key", async () => {
  const fresh = dataDirectory(freshFolder(), "upstream", { kubernetesVersion: undefined });
  expect(await backupOf(fresh).catch(String)).toContain("has never been ready");

  const it = dataDirectory(freshFolder(), "upstream");
  const key = join(it.paths.pki, "client-ca.key");
  rmSync(key);
  expect(await backupOf(it).catch(String)).toContain(`${key} is missing`);
});

test("regions and the API's port stay as running Machines know them", async () => {
  const it = dataDirectory(freshFolder(), "upstream", { apiPort: 6_501 });
  const restored = await it.cluster();
  const known = { ...restored, apiPort: 6_443, regions: ["local-a", "local-b", "cdg"] };

  expect(mergedCluster(undefined, restored)).toEqual(restored);
  expect(mergedCluster({ ...known, kubernetesVersion: "v1.37.0" }, restored)).toEqual(known);
  expect(mergedCluster({ ...known, regions: ["local-a", "ams"] }, restored).regions).toEqual([
    "local-a",
    "local-b",
    "ams",
  ]);
});

test("of what restores replaced the last three are kept", async () => {
  const it = dataDirectory(freshFolder(), "upstream");
  const file = await backupOf(it);
  for (let count = 0; count < 5; count++) {
    await restore(it, file);
    await forgetOldReplaced(it.paths);
  }

  expect(readdirSync(join(it.paths.dataDir, "backups"))).toHaveLength(3);
});

test("what a killed restore unpacked is cleared", async () => {
  const it = dataDirectory(freshFolder(), "upstream");
  const staged = await stageBackup({ file: await backupOf(it), paths: it.paths }, signal);
  expect(await undoCutRestore(it.paths)).toBe(false);

  expect(existsSync(staged.folder)).toBe(false);
  await dropStaged(staged);
});

import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { lockDataDir } from "#adapters/host/data-dir-lock.ts";
import { type Ran, run } from "#test/e2e/process.ts";
import {
  type DataDirectory,
  dataDirectory,
  emptyDirectory,
} from "#test/fixtures/data-directory.ts";

const root = mkdtempSync(join(tmpdir(), "fks-backup-command-"));
afterAll(() => rmSync(root, { recursive: true, force: true }));

const PROGRAM = join(import.meta.dir, "fks-node.ts");
const KEPT = "/registry/namespaces/kept";
const freshFolder = (): string => mkdtempSync(join(root, "d-"));

function fksNode(command: string, it: DataDirectory, ...args: readonly string[]): Promise<Ran> {
  const { dataDir } = it.paths;
  return run([
    "env",
    "-C",
    root,
    process.execPath,
    PROGRAM,
    command,
    "--data-dir",
    dataDir,
    ...args,
  ]);
}

test("a backup is named after cluster and time, tells what it is, and comes back", async () => {
  const it = dataDirectory(freshFolder(), "upstream");
  const made = await fksNode("backup", it);
  expect(made).toMatchObject({ exitCode: 0, stderr: "" });
  const [name = ""] = readdirSync(root).filter((entry) => entry.endsWith(".tar"));
  expect(name).toMatch(/^fks-node-local-\d{8}T\d{6}Z\.tar$/);
  expect(statSync(join(root, name)).mode & 0o777).toBe(0o600);
  for (const words of [
    `wrote ${join(root, name)}`,
    "local, engine upstream, Kubernetes v1.36.3",
    "2, Secrets among them",
    "KiB",
    "whoever has this file is an administrator of the cluster",
    "Machines, images and volumes of this host",
  ]) {
    expect(made.stdout).toContain(words);
  }

  it.put(KEPT);
  const refused = await fksNode("restore", it, name);
  expect(refused.exitCode).toBe(2);
  expect(refused.stderr).toContain("this replaces the datastore of cluster local");
  expect(refused.stderr).toContain("say --yes to do it");
  const { exitCode, stdout } = await fksNode("restore", it, name, "--yes");
  expect(exitCode).toBe(0);
  expect(stdout).toContain("Kubernetes v1.36.3, 2 objects, of 20");
  expect(stdout).toContain("what was there before, in");
  expect(stdout).toContain("a Machine whose Pod is not in the backup is destroyed");
  expect(it.objects()).toContain(KEPT);
});

test("keys that are kept apart are named, and asked for", async () => {
  const it = dataDirectory(freshFolder(), "k3s");
  const file = join(freshFolder(), "k3s.tar");
  const made = await fksNode("backup", it, file, "--without-keys");
  const token = join(it.paths.dataDir, "tokens/k3s");
  expect(made.stdout).toContain(`not in it: elsewhere it can be restored with ${token} alone`);

  const other = emptyDirectory(freshFolder(), "k3s");
  expect(await fksNode("restore", other, file)).toMatchObject({ exitCode: 5 });
  expect(await fksNode("restore", other, file, "--token-file", token)).toMatchObject({
    exitCode: 0,
  });
  expect(other.objects()).toContain(KEPT);
});

test("a data directory that is in use is backed up, and not restored into", async () => {
  const it = dataDirectory(freshFolder(), "upstream");
  const file = join(freshFolder(), "b.tar");
  const lock = lockDataDir(it.paths.dataDir);
  try {
    expect(await fksNode("backup", it, file)).toMatchObject({ exitCode: 0 });
    const { exitCode, stderr } = await fksNode("restore", it, file, "--yes");
    expect(exitCode).toBe(4);
    expect(stderr).toContain(`is in use by process ${process.pid}`);
  } finally {
    lock.release();
  }
});

test("a datastore that somebody else writes to is not replaced under their hands", async () => {
  const it = dataDirectory(freshFolder(), "upstream");
  const file = join(freshFolder(), "b.tar");
  await fksNode("backup", it, file);
  const program = join(import.meta.dir, "../test/programs/writes-kine.ts");
  const writer = Bun.spawn([process.execPath, program, it.database], { stdout: "pipe" });
  try {
    for await (const _ of writer.stdout) break;
    const { exitCode, stderr } = await fksNode("restore", it, file, "--yes");
    expect(exitCode).toBe(4);
    expect(stderr).toContain(`process ${writer.pid} (`);
  } finally {
    writer.kill("SIGKILL");
    await writer.exited;
  }
});

test("nothing is backed up in the middle of a restore or of an upgrade", async () => {
  const it = dataDirectory(freshFolder(), "upstream");
  const file = join(freshFolder(), "b.tar");
  it.write("backups/trial.json", "{}");
  const upgrading = await fksNode("backup", it, file);
  expect(upgrading.exitCode).toBe(4);
  expect(upgrading.stderr).toContain("is being upgraded");

  it.write("backups/restoring.json", "{}");
  const restoring = await fksNode("backup", it, file);
  expect(restoring.stderr).toContain("has not come to its end");
  expect(await fksNode("restore", it, file)).toMatchObject({ exitCode: 2 });
});

test("what is no backup, and what is no file, is told in one sentence", async () => {
  const it = emptyDirectory(freshFolder(), "upstream");
  const text = join(root, "notes.txt");
  writeFileSync(text, "not a backup");

  const told = async (...args: readonly string[]) => (await fksNode("restore", it, ...args)).stderr;
  expect(await told(text)).toBe(`fks-node: ${text} is no backup of fks-node\n`);
  expect(await told(root)).toBe(`fks-node: ${root} is no file\n`);
  expect(await told("none.tar")).toBe(`fks-node: there is no file ${join(root, "none.tar")}\n`);
  expect((await fksNode("backup", it)).stderr).toContain("no cluster in");
});

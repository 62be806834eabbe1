import { afterAll, expect, test } from "bun:test";
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fakeClock } from "#test/fakes/clock.ts";
import { issueCa, issueLeaf } from "../upstream/certificates.ts";
import { k3sFilesIn } from "./files.ts";
import { k3sControlPlane, k3sUpkeep } from "./k3s.ts";

const root = mkdtempSync(join(tmpdir(), "fks-k3s-"));
afterAll(() => rmSync(root, { recursive: true, force: true }));

const DAY_MS = 86_400_000;
const inDays = (days: number): Date => new Date(days * DAY_MS);

const options = (name: string) => ({
  plan: {
    clusterName: "demo",
    address: "fdaa:1:2:ffff::1",
    port: 6443,
    serviceRange: "fdaa:1:2:0:1::/112",
  },
  program: "/cache/k3s",
  version: "v1.36.4+k3s1",
  folder: join(root, name, "k3s"),
  tokenFile: join(root, name, "tokens/k3s"),
  env: { PATH: "/bin", HOME: "/root", K3S_URL: "https://elsewhere" },
  addressBy: [],
  startTimeoutMs: 120_000,
  isRoot: false,
  clock: fakeClock(),
});

function put(path: string, text: string): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
}

test("a K3s is ready to be started: folder, token, and one child that is all of it", async () => {
  const given = options("first");
  const plane = await k3sControlPlane(given);
  const files = k3sFilesIn(given.folder);

  expect(plane).toMatchObject({
    engine: "k3s",
    version: "v1.36.4+k3s1",
    program: "/cache/k3s",
    server: "https://[fdaa:1:2:ffff::1]:6443",
    apiChild: "k3s",
    databaseChild: "k3s",
    database: files.database,
    admin: { ca: files.serverCa, cert: files.admin.cert, key: files.admin.key },
  });
  expect(plane.children).toHaveLength(1);
  const [child] = plane.children;
  expect(child?.env).toEqual({ PATH: "/bin", HOME: files.home });
  expect(child?.command).toContain("--rootless");
  expect(statSync(files.config).isFile()).toBe(true);
  const secret = readFileSync(given.tokenFile, "utf8");
  expect(JSON.stringify(child)).not.toContain(secret);
});

test("the size of the database, with what is not yet written into it, is time at the start", async () => {
  const given = options("large");
  const { children } = await k3sControlPlane(given);
  expect(children[0]?.readyTimeoutMs?.()).toBe(120_000);
  const { database } = k3sFilesIn(given.folder);
  put(database, "x".repeat(20_000));
  put(`${database}-wal`, "x".repeat(10_000));

  expect(children[0]?.readyTimeoutMs?.()).toBe(120_003);
});

test("what does not call itself a version is not started", async () => {
  const given = { ...options("strange"), version: "k3s" };

  expect(await k3sControlPlane(given).catch((error: unknown) => error)).toMatchObject({
    code: "Unsupported",
  });
});

test("certificates are renewed by one planned restart, and readers are told", async () => {
  const files = k3sFilesIn(join(root, "certificates"));
  const clock = fakeClock();
  const ca = await issueCa("k3s-client-ca", inDays(0));
  const issue = async (day: number) => {
    const request = { commonName: "system:admin", usage: "client" as const, names: [] };
    put(files.admin.cert, (await issueLeaf(ca, request, inDays(day))).cert);
  };
  const upkeep = k3sUpkeep(files, clock);
  expect(await upkeep()).toEqual({ renewed: false });
  await issue(0);
  expect(await upkeep()).toEqual({ renewed: false });
  clock.advance(279 * DAY_MS);
  expect(await upkeep()).toEqual({ renewed: false });
  clock.advance(2 * DAY_MS);
  expect(await upkeep()).toEqual({
    renewed: false,
    restart: {
      child: "k3s",
      reason: "certificate client-admin.crt ends in 84 days and is renewed by a start alone",
    },
  });
  expect(await upkeep()).toEqual({ renewed: false });
  await issue(281);

  expect(await upkeep()).toEqual({ renewed: true });
  expect(await upkeep()).toEqual({ renewed: false });
});

test("what K3s leaves undone is done: rights of its controller, releases it no longer needs", async () => {
  const files = k3sFilesIn(join(root, "upkeep"));
  const [current, old] = ["c".repeat(64), "0".repeat(64)];
  for (const name of [current, old]) mkdirSync(join(files.unpacked, name), { recursive: true });
  symlinkSync(current, join(files.unpacked, "current"));
  await k3sUpkeep(files, fakeClock())();

  expect(readdirSync(files.unpacked).toSorted()).toEqual([current, "current"].toSorted());

  expect(readFileSync(join(files.manifests, "fks-rolebindings.yaml"), "utf8")).toContain(
    "system:k3s-controller",
  );
});

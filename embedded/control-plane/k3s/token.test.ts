import { afterAll, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { k3sFilesIn } from "./files.ts";
import { ensureK3sToken } from "./token.ts";

const folder = mkdtempSync(join(tmpdir(), "fks-k3s-token-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const LONG = `K10${"0a".repeat(32)}::server:`;

let serial = 0;
/** A data directory in which these files are. */
function dataDir(given: { ours?: string; theirs?: string; database?: string }) {
  const dir = join(folder, String(serial++));
  const files = k3sFilesIn(join(dir, "k3s"));
  const tokenFile = join(dir, "tokens/k3s");
  const contents = [
    [tokenFile, given.ours],
    [files.token, given.theirs],
    [files.database, given.database],
  ] as const;
  for (const [path, text] of contents) {
    if (text === undefined) continue;
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
  }
  return {
    tokenFile,
    ensure: () => ensureK3sToken(tokenFile, files),
    token: () => readFileSync(tokenFile, "utf8"),
  };
}

test("a token is made once, long, for its owner's eyes, and unlike any other", async () => {
  const [one, other] = [dataDir({}), dataDir({})];
  await one.ensure();
  await other.ensure();
  const token = one.token();
  await one.ensure();

  expect(token).toMatch(/^[0-9a-f]{64}$/);
  expect(one.token()).toBe(token);
  expect(other.token()).not.toBe(token);
  expect(statSync(one.tokenFile).mode & 0o777).toBe(0o600);
});

test("a lost token is taken from K3s' own copy, so that the datastore can still be read", async () => {
  const { ensure, token, tokenFile } = dataDir({ theirs: `${LONG}se:cret\n`, database: "x" });
  await ensure();

  expect(token()).toBe("se:cret");
  expect(statSync(tokenFile).mode & 0o777).toBe(0o600);
});

test("a token that agrees with K3s' own copy stays", async () => {
  const { ensure, token } = dataDir({ ours: "secret", theirs: `${LONG}secret\n` });
  await ensure();

  expect(token()).toBe("secret");
});

test("a token that was brought back in K3s' long form is cut to its secret", async () => {
  const { ensure, token } = dataDir({ ours: `${LONG}secret\n`, theirs: `${LONG}secret\n` });
  await ensure();

  expect(token()).toBe("secret");
});

test("two tokens that differ are not chosen between", async () => {
  const { ensure, token } = dataDir({ ours: "one", theirs: `${LONG}other\n` });

  const error = await ensure().catch(String);
  expect(error).toContain("hold different tokens");
  expect(error).not.toMatch(/\bone\b.*\bother\b/);
  expect(token()).toBe("one");
});

test("a copy of K3s' that was cut short says nothing against ours", async () => {
  const { ensure, token } = dataDir({ ours: "secret", theirs: "K10ab" });
  await ensure();

  expect(token()).toBe("secret");
});

test.each([
  [{ database: "x" }],
  [{ ours: "\n", database: "x" }],
  [{ theirs: "K10ab", database: "x" }],
  [{ theirs: "", database: "x" }],
])("no new token is made for a datastore that it could not open: %p", async (given) => {
  const { ensure } = dataDir(given);

  expect(await ensure().catch((error: unknown) => error)).toMatchObject({
    code: "Unauthorized",
    message: expect.stringContaining("from a backup"),
  });
});

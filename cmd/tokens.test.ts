import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ensureToken, readToken } from "./tokens.ts";

const folder = mkdtempSync(join(tmpdir(), "fks-tokens-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test("a token is made once, long, and for its owner's eyes", async () => {
  const path = join(folder, "tokens/machines-api");
  expect(await readToken(path).catch(String)).toContain("there is no token in");
  await ensureToken(path);
  const token = await readToken(path);
  await ensureToken(path);

  expect(token).toMatch(/^[\w-]{43}$/);
  expect(await readToken(path)).toBe(token);
  expect(statSync(path).mode & 0o777).toBe(0o600);
});

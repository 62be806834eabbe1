import { afterAll, expect, test } from "bun:test";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { replaceKubeconfig, userKubeconfig } from "./kubeconfig-files.ts";

const folder = mkdtempSync(join(tmpdir(), "fks-kubeconfig-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function freshFolder(): string {
  const path = join(folder, crypto.randomUUID());
  mkdirSync(path);
  return path;
}

test("new entries go where kubectl would put them", async () => {
  const home = freshFolder();
  const [first, second] = [join(home, "first"), join(home, "second")];
  const target = async (env: Record<string, string>) =>
    (await userKubeconfig({ HOME: home, ...env })).newEntriesIn;

  expect(await target({})).toBe(join(home, ".kube/config"));
  expect(await target({ KUBECONFIG: first })).toBe(first);
  expect(await target({ KUBECONFIG: `${first}:${second}` })).toBe(second);
  writeFileSync(first, "a: 1");
  expect(await target({ KUBECONFIG: `:${first}:${second}` })).toBe(first);
  expect((await userKubeconfig({ KUBECONFIG: `${first}:${second}` })).files).toEqual([
    { path: first, text: "a: 1" },
    { path: second, text: undefined },
  ]);
});

test("a file is replaced with a copy kept, its mode and a symbolic link to it unchanged", async () => {
  const home = freshFolder();
  const [real, link] = [join(home, "real"), join(home, "link")];
  writeFileSync(real, "old");
  chmodSync(real, 0o640);
  symlinkSync(real, link);
  await replaceKubeconfig(link, "new");

  expect(readFileSync(real, "utf8")).toBe("new");
  expect(readFileSync(`${real}.bak`, "utf8")).toBe("old");
  expect(statSync(real).mode & 0o777).toBe(0o640);
  expect(existsSync(`${link}.lock`)).toBe(false);
});

test("a new file is its owner's alone, and one that kubectl writes at this moment is left alone", async () => {
  const path = join(freshFolder(), "deep/config");
  await replaceKubeconfig(path, "new");
  expect(statSync(path).mode & 0o777).toBe(0o600);

  writeFileSync(`${path}.lock`, "");
  expect(await replaceKubeconfig(path, "newer").catch(String)).toContain("config.lock exists");
  expect(readFileSync(path, "utf8")).toBe("new");
});

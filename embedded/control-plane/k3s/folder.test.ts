import { afterAll, expect, test } from "bun:test";
import {
  chmodSync,
  existsSync,
  lstatSync,
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
import { parse } from "yaml";
import { k3sFilesIn } from "./files.ts";
import { prepareK3sFolder, removeLinkInto, requireNoOtherK3s } from "./folder.ts";

const root = mkdtempSync(join(tmpdir(), "fks-k3s-folder-"));
afterAll(() => rmSync(root, { recursive: true, force: true }));

test("K3s finds a folder that is its owner's only, and a configuration that says nothing", async () => {
  const files = k3sFilesIn(join(root, "fresh/k3s"));
  await prepareK3sFolder(files);

  for (const path of [files.folder, files.home]) expect(statSync(path).mode & 0o777).toBe(0o700);
  expect(statSync(files.config).mode & 0o777).toBe(0o600);
  expect(parse(readFileSync(files.config, "utf8"))).toEqual({});
});

test("a kubeconfig of an earlier life is gone before the next one starts, data is not", async () => {
  const files = k3sFilesIn(join(root, "used/k3s"));
  mkdirSync(join(files.folder, "server"), { recursive: true });
  chmodSync(files.folder, 0o755);
  writeFileSync(files.kubeconfig, "stale");
  writeFileSync(files.config, "disable-agent: false");
  writeFileSync(files.token, "kept");
  await prepareK3sFolder(files);

  expect(existsSync(files.kubeconfig)).toBe(false);
  expect(readFileSync(files.config, "utf8")).not.toContain("disable-agent");
  expect(readFileSync(files.token, "utf8")).toBe("kept");
  expect(statSync(files.folder).mode & 0o777).toBe(0o700);
});

test("the kubeconfig of another K3s on this host is not taken from it", async () => {
  const path = join(root, "k3s.yaml");
  writeFileSync(path, "theirs");

  expect(await requireNoOtherK3s(path).catch((error: unknown) => error)).toMatchObject({
    code: "Conflict",
    message: expect.stringContaining("--engine upstream"),
  });
});

test("a reset takes away the host's link into its own folder and no other", async () => {
  const link = join(root, "host.yaml");
  symlinkSync(join(root, "ours/k3s/k3s.yaml"), link);
  await removeLinkInto(join(root, "other/k3s"), link);
  expect(lstatSync(link).isSymbolicLink()).toBe(true);
  await removeLinkInto(join(root, "ours/k3s"), link);
  expect(existsSync(link)).toBe(false);

  writeFileSync(link, "a file of another K3s");
  await removeLinkInto(join(root, "ours/k3s"), link);
  expect(existsSync(link)).toBe(true);
});

test("a link that an earlier K3s of ours left is no other K3s, wherever it leads", async () => {
  const link = join(root, "link.yaml");
  symlinkSync(join(root, "nowhere"), link);

  await requireNoOtherK3s(link);
  await requireNoOtherK3s(join(root, "nothing/there"));
});

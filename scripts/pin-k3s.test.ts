import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { k3sLike, sha256, testReleases } from "#test/fixtures/k3s-releases.ts";
import { captured } from "./captured.ts";

const scratch = mkdtempSync(join(tmpdir(), "fks-pin-"));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

const UNPINNED = `{\n  "version": "v1.36.4+k3s1",\n  "sha256": {}\n}\n`;
const [amd64, arm64] = [k3sLike("v1.36.4+k3s1", 10), k3sLike("v1.36.4+k3s1", 20)];

function pinFile(): string {
  const path = join(scratch, `${crypto.randomUUID()}.json`);
  writeFileSync(path, UNPINNED);
  return path;
}

function pin(releases: string, ...args: string[]) {
  const command = [process.execPath, "scripts/pin-k3s.ts", ...args];
  return captured(command, { FKS_K3S_RELEASES: releases });
}

test("a maintainer records the digests of a release, as it publishes them", async () => {
  await using releases = await testReleases();
  releases.publish("v1.36.4+k3s1", "amd64", amd64);
  releases.publish("v1.36.4+k3s1", "arm64", arm64);
  const file = pinFile();

  const first = await pin(releases.url, "--file", file);
  expect(first.stderr).toBe("");
  expect(first.stdout).toBe(
    `amd64    not recorded -> ${sha256(amd64)}\narm64    not recorded -> ${sha256(arm64)}\n${file} is written\n`,
  );
  expect(readFileSync(file, "utf8")).toBe(
    `{\n  "version": "v1.36.4+k3s1",\n  "sha256": {\n    "amd64": "${sha256(amd64)}",\n    "arm64": "${sha256(arm64)}"\n  }\n}\n`,
  );
  expect((await pin(releases.url, "--file", file)).stdout).toBe(`${file} is right as it is\n`);
});

test("another release takes the place of the pinned one, digests and all", async () => {
  await using releases = await testReleases();
  releases.publish("v1.37.1+k3s1", "amd64", amd64);
  releases.publish("v1.37.1+k3s1", "arm64", arm64);
  const file = pinFile();
  const { stdout } = await pin(releases.url, "--file", file, "--version", "v1.37.1+k3s1");

  expect(stdout).toStartWith("version  v1.36.4+k3s1 -> v1.37.1+k3s1\n");
  expect(JSON.parse(readFileSync(file, "utf8"))).toMatchObject({ version: "v1.37.1+k3s1" });
});

test("nothing is written when one of the digests cannot be had", async () => {
  await using releases = await testReleases();
  releases.publish("v1.36.4+k3s1", "amd64", amd64);
  const file = pinFile();
  const { stderr, exitCode } = await pin(releases.url, "--file", file);

  expect(exitCode).toBe(3);
  expect(stderr).toBe(`pin-k3s: ${new URL(releases.url).host} has no sha256sum-arm64.txt (404)\n`);
  expect(readFileSync(file, "utf8")).toBe(UNPINNED);
});

test.each(["v1.20.0+k3s1", "v1.36.4", "latest"])("%s is no release to pin", async (version) => {
  const { stderr, exitCode } = await pin("http://127.0.0.1:1", "--version", version);

  expect(exitCode).toBe(2);
  expect(stderr).toContain(`such as v1.36.4+k3s1, not "${version}"`);
});

test("--help tells what it does", async () => {
  expect((await pin("http://127.0.0.1:1", "--help")).stdout).toContain("make pin-k3s");
});

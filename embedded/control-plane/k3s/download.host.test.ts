import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { hostClock } from "#adapters/host/clock.ts";
import { failureOf } from "#test/fixtures/failure.ts";
import { k3sLike, testReleases } from "#test/fixtures/k3s-releases.ts";
import { downloadK3s } from "./download.ts";
import { PIN, releaseFor } from "./release.ts";
import { PATIENCE } from "./web.ts";

const small = mkdtempSync(join(tmpdir(), "fks-small-"));
beforeAll(() => {
  const command = ["mount", "-t", "tmpfs", "-o", "size=2m", "fks-small", small];
  expect(Bun.spawnSync(command).exitCode).toBe(0);
});
afterAll(() => {
  Bun.spawnSync(["umount", small]);
  rmSync(small, { recursive: true, force: true });
});

test("a disk that is too small is named before it is full", async () => {
  await using releases = await testReleases();
  const release = { ...releaseFor(PIN, "x64"), sha256: undefined };
  releases.publish(release.version, "amd64", k3sLike(release.version, 3_000_000));
  const download = {
    release,
    releases: releases.url,
    folder: join(small, "k3s"),
    web: { env: {}, clock: hostClock(), patience: PATIENCE },
    onProgress() {},
  };

  expect(await failureOf(downloadK3s(download, new AbortController().signal))).toBe(
    `Unavailable: K3s ${release.version} cannot be downloaded: ${download.folder} has 2.0 MiB of free space, and 2.9 MiB are needed`,
  );
});

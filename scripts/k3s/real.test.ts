import { afterAll, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { FksError } from "#core/errors.ts";
import { realK3s } from "./real.ts";

const root = mkdtempSync(join(tmpdir(), "fks-real-k3s-"));
afterAll(() => rmSync(root, { recursive: true, force: true }));

let serial = 0;
/** A program that says this to `--version`. */
function k3sThatSays(text: string): string {
  const folder = join(root, String(serial++));
  mkdirSync(folder);
  const path = join(folder, "k3s");
  writeFileSync(path, `#!/bin/sh\necho '${text}'\n`, { mode: 0o755 });
  return path;
}

function asked(env: Readonly<Record<string, string>>) {
  return realK3s({ env, dataDir: root, say: () => {} }, AbortSignal.timeout(10_000));
}

test("a K3s that is named, or on PATH, is taken", async () => {
  const path = k3sThatSays("k3s version v1.36.4+k3s1 (0a1b2c3d)");
  const wanted = { path, version: "v1.36.4+k3s1" };
  expect(await asked({ FKS_K3S_BIN: path, PATH: "/bin" })).toMatchObject(wanted);
  expect(await asked({ PATH: `${join(path, "..")}:/bin` })).toMatchObject(wanted);
});

test("the stand-in is refused, by what it says and by what lies beside it", async () => {
  const shaped = k3sThatSays("k3s version v1.36.4+k3s1 (shaped)");
  const renamed = k3sThatSays("k3s version v1.36.4+k3s1 (0a1b2c3d)");
  writeFileSync(join(renamed, "../shape.json"), "{}");
  for (const path of [shaped, renamed]) {
    expect(await asked({ FKS_K3S_BIN: path, PATH: "/bin" }).catch((error) => error)).toEqual(
      new FksError(
        "InvalidInput",
        `${path} is the stand-in of our own tests, and proves nothing about K3s`,
      ),
    );
  }
});

test("where there is none the reason is one sentence", async () => {
  const env = { PATH: "/bin", HOME: root, FKS_K3S_RELEASES: "http://127.0.0.1:1/releases" };
  expect(await asked(env).catch((error) => error.message)).toContain(
    "127.0.0.1:1 refuses the connection",
  );
});

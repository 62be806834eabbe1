import { expect, test } from "bun:test";
import { join } from "node:path";
import { run } from "#test/e2e/process.ts";
import { goCommand } from "./go-command.ts";

const BUILD_TIMEOUT_MS = 600_000;

/** A first build compiles its packages, which takes a minute. */
async function go(...words: string[]): Promise<string> {
  const folder = join(import.meta.dir, "k3s-shaped");
  const { exitCode, stdout, stderr } = await run([goCommand(), "-C", folder, ...words], {
    env: { CGO_ENABLED: "0" },
    timeoutMs: BUILD_TIMEOUT_MS,
  });
  return exitCode === 0 ? "fine" : `${stdout}${stderr}`;
}

test(
  "the stand-in for K3s passes its own tests",
  async () => {
    expect(await go("vet", ".")).toBe("fine");
    expect(await go("test", ".")).toBe("fine");
  },
  BUILD_TIMEOUT_MS,
);

import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const dataDir = mkdtempSync(join(tmpdir(), "fks-role-"));
afterAll(() => rmSync(dataDir, { recursive: true, force: true }));

// Its supervisor could not start it again otherwise.
test("a role that fails ends, whatever it left open", async () => {
  const cluster = {
    version: 1,
    name: "local",
    engine: "upstream",
    apiPort: 6443,
    networkId: "00c0ffee",
    serviceRange: "fdaa::/112",
    regions: ["local-a"],
  };
  writeFileSync(join(dataDir, "cluster.json"), JSON.stringify(cluster));
  const child = Bun.spawn(
    [process.execPath, join(import.meta.dir, "../test/programs/failing-role.ts")],
    { env: { ...process.env, FKS_DATA_DIR: dataDir }, stdout: "pipe", stderr: "pipe" },
  );
  const killer = setTimeout(() => child.kill("SIGKILL"), 4_000);
  const [said, status] = await Promise.all([child.stdout.text(), child.exited]);
  clearTimeout(killer);

  expect({ status, said }).toEqual({ status: 0, said: "it listens\nit failed\n" });
});

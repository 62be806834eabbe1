import { afterAll, expect, test } from "bun:test";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Upkeep } from "#embedded/control-plane/engine.ts";
import { fakeClock } from "#test/fakes/clock.ts";
import { eventually } from "#test/fakes/eventually.ts";
import { memoryLog } from "#test/fakes/log.ts";
import { CLUSTER } from "#test/fixtures/cluster.ts";
import { dataPathsFor } from "./paths.ts";
import { keepUp } from "./upkeep.ts";

const folder = mkdtempSync(join(tmpdir(), "fks-upkeep-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test("a child that only a restart renews is restarted, and a new certificate reaches the kubeconfig", async () => {
  const paths = dataPathsFor(folder);
  const clock = fakeClock();
  const file = (name: string): string => join(folder, name);
  for (const name of ["ca", "cert", "key"]) writeFileSync(file(name), `the ${name}`);
  const answers: Upkeep[] = [
    { renewed: false, restart: { child: "k3s", reason: "it is old" } },
    { renewed: true },
  ];
  const restarts: string[] = [];
  const stop = new AbortController();
  const running = keepUp(
    {
      paths,
      clock,
      instance: {
        cluster: CLUSTER,
        log: memoryLog(),
        controlPlane: {
          server: "https://[fdaa::1]:6443",
          admin: { ca: file("ca"), cert: file("cert"), key: file("key") },
          upkeep: async () => answers.shift() ?? { renewed: false },
        },
      },
      children: {
        report: () => [],
        restart: (name, reason) => void restarts.push(`${name}: ${reason}`),
      },
    },
    stop.signal,
  );

  clock.advance(600_000);
  await eventually(() => restarts.length === 1);
  expect(restarts).toEqual(["k3s: it is old"]);
  clock.advance(600_000);
  await eventually(() => existsSync(paths.kubeconfig));
  expect(readFileSync(paths.kubeconfig, "utf8")).toContain(btoa("the cert"));
  stop.abort();
  await running;
});

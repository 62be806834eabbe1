import { afterAll, expect, test } from "bun:test";
import { existsSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { serveRoleSocket } from "./role-socket.ts";

const folder = mkdtempSync(join(tmpdir(), "fks-socket-"));
const stop = new AbortController();

afterAll(() => rmSync(folder, { recursive: true, force: true }));

test("a role tells on its socket whether it is ready and why not, until it is stopped", async () => {
  const path = join(folder, "run/kubelet.sock");
  let ready = false;
  serveRoleSocket(
    {
      path,
      isReady: () => (ready ? { ready } : { ready, reason: "no API server yet" }),
      metrics: () => Promise.resolve("fks_pods 3\n"),
      details: () => ({ pods: 3 }),
    },
    stop.signal,
  );
  const get = (target: string): Promise<Response> => fetch(`http://role${target}`, { unix: path });

  expect((await get("/healthz")).status).toBe(200);
  const unready = await get("/readyz");
  expect(unready.status).toBe(503);
  expect(await unready.json()).toEqual({ ready: false, reason: "no API server yet" });
  ready = true;
  expect((await get("/readyz")).status).toBe(200);
  expect(await (await get("/metrics")).text()).toBe("fks_pods 3\n");
  expect(await (await get("/details")).json()).toEqual({ pods: 3 });
  expect((await get("/nothing")).status).toBe(404);
  expect(statSync(path).mode & 0o777).toBe(0o600);

  stop.abort();
  expect(existsSync(path)).toBe(false);
});

test("a socket left behind by a predecessor is no obstacle, a path too long is explained", async () => {
  const path = join(folder, "dns.sock");
  const own = new AbortController();
  const start = (at: string): void =>
    serveRoleSocket({ path: at, isReady: () => ({ ready: true }) }, own.signal);

  start(path);
  start(path);
  expect((await fetch("http://role/readyz", { unix: path })).status).toBe(200);
  expect(() => start(join(folder, "x".repeat(120)))).toThrow("too long for a unix socket");
  own.abort();
});

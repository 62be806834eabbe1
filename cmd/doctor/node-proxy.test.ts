import { afterEach, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fakeApiServer, statusAnswer } from "#test/fakes/api-server.ts";
import { loadConfig } from "../config.ts";
import { dataPathsFor } from "../paths.ts";
import { nodeProxyCheck } from "./node-proxy.ts";

const forever = new AbortController().signal;
const folders: string[] = [];

afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true });
});

async function checkAt(server: string) {
  const folder = mkdtempSync(join(tmpdir(), "fks-doctor-"));
  folders.push(folder);
  const paths = dataPathsFor(folder);
  const kubeconfig = {
    "current-context": "a",
    contexts: [{ name: "a", context: { cluster: "a", user: "a" } }],
    clusters: [{ name: "a", cluster: { server } }],
    users: [{ name: "a", user: { token: "t" } }],
  };
  await Bun.write(paths.kubeconfig, JSON.stringify(kubeconfig));
  const config = await loadConfig({ flags: { regions: "ams,lhr" }, env: {} });
  return nodeProxyCheck({ paths, config });
}

test("every Node is asked through the API server", async () => {
  await using api = fakeApiServer();
  for (const _ of ["ams", "lhr"]) api.answerOnce("GET", /healthz/, () => new Response("ok"));
  const check = await checkAt(api.url);

  expect(await check.look(forever)).toEqual({ outcome: "ok", observed: "2 answer" });
  expect(api.requests.toSorted()).toEqual([
    "GET /api/v1/nodes/ams/proxy/healthz",
    "GET /api/v1/nodes/lhr/proxy/healthz",
  ]);
});

test("a tunnel in the way is named with the flag that takes it away", async () => {
  await using api = fakeApiServer();
  api.answerOnce("GET", /ams.*healthz/, () => new Response("ok"));
  api.answerOnce("GET", /lhr.*healthz/, () =>
    statusAnswer(502, "BadGateway", "failed to find Session for client lhr"),
  );
  const check = await checkAt(api.url);

  expect(await check.look(forever)).toEqual({
    outcome: "failed",
    observed: "lhr: HTTP 502, failed to find Session for client lhr",
    remedy: expect.stringContaining("--egress-selector-mode=disabled"),
  });
});

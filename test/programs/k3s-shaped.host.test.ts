import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { cachedKubePath } from "#embedded/control-plane/upstream/build.ts";
import { type K3sHost, type K3sRun, k3sHost } from "./k3s-in-netns.ts";

const kube = process.env["FKS_KUBE_BIN"] ?? cachedKubePath(process.env);
const cannotRun = process.getuid?.() !== 0 || !existsSync(kube);

describe.skipIf(cannotRun)("a stand-in for K3s that is ready", () => {
  let host: K3sHost;
  let k3s: K3sRun;

  beforeAll(async () => {
    host = await k3sHost();
    k3s = host.start();
    await k3s.ready();
  }, 120_000);
  afterAll(() => host[Symbol.asyncDispose]());

  test("tells its supervisor, its API and its controllers apart", async () => {
    expect(await k3s.get("/ping")).toEqual({ status: 200, body: "pong" });
    expect((await k3s.get("/readyz")).status).toBe(401);
    expect((await k3s.get("/v1-k3s/readyz")).status).toBe(401);
    expect((await k3s.getAsAdmin("/v1-k3s/readyz")).status).toBe(403);
    expect((await k3s.get("/v1-k3s/readyz", `basic=server:${host.token}`)).status).toBe(403);
  });
});

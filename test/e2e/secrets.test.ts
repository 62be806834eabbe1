import { expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { startCluster } from "./cluster.ts";
import { loadImages } from "./images.ts";
import { isRunning, podOf, podWhen } from "./objects.ts";

const TOKEN = "/var/run/secrets/kubernetes.io/serviceaccount/token";

/** Files below `folder` that hold `secret`, also in the middle of binary ones. */
function filesWith(folder: string, secret: string): readonly string[] {
  return [...new Bun.Glob("**/*").scanSync({ cwd: folder, dot: true, onlyFiles: true })].filter(
    (name) => readFileSync(join(folder, name)).includes(secret),
  );
}

/** Processes whose command line holds `secret`. */
function processesWith(secret: string): readonly string[] {
  return readdirSync("/proc").filter((name) => {
    try {
      return /^\d+$/.test(name) && readFileSync(`/proc/${name}/cmdline`).includes(secret);
    } catch {
      return false;
    }
  });
}

test("a Pod's token is in the Pod, and in no file, log, status, metric or argument of ours", async () => {
  const cluster = await startCluster(["--log-level", "debug"]);
  try {
    await loadImages(cluster);
    await cluster.apply(podOf("web"));
    await podWhen(cluster, "web", isRunning);
    const token = (await cluster.kubectl(["exec", "web", "--", "cat", TOKEN])).trim();
    expect(token.split(".")).toHaveLength(3);
    // Its last part alone is as good as the whole: nothing else ever holds it.
    const secret = token.split(".")[2] ?? "";

    expect(filesWith(cluster.dataDir, secret)).toEqual([]);
    expect(processesWith(secret)).toEqual([]);
    const told = await Promise.all(
      ["/healthz", "/readyz", "/metrics", "/api/v1/status"].map(async (path) => {
        const unix = join(cluster.dataDir, "run/status.sock");
        return (await fetch(`http://status${path}`, { unix })).text();
      }),
    );
    expect(told.filter((text) => text.includes(secret))).toEqual([]);
    expect(told.join("")).toContain("kubelet");
    const objects = await cluster.kubectl(["get", "pods,events,nodes", "-o", "json"]);
    expect(objects).not.toContain(secret);
  } finally {
    await cluster.close();
  }
}, 120_000);

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { FKS_NODE_USER } from "#adapters/kubernetes/rbac.ts";
import type { Pod } from "#core/kube/pod.ts";
import { base64Of } from "#test/fixtures/objects.ts";
import { type Cluster, startCluster } from "./cluster.ts";
import { loadImages } from "./images.ts";
import { isRunning, podOf, podWhen } from "./objects.ts";
import { eventually } from "./process.ts";

const LIVE_TIMEOUT_MS = 75_000;
const SECRET = "s3cret-word-of-nobody";

const configMap = (name: string, data: object) => ({
  apiVersion: "v1",
  kind: "ConfigMap",
  metadata: { name, namespace: "default" },
  data,
});
const secret = (name: string, text: string) => ({
  apiVersion: "v1",
  kind: "Secret",
  metadata: { name, namespace: "default" },
  data: { word: base64Of(text) },
});

const SHOP = {
  apiVersion: "v1",
  kind: "Service",
  metadata: { name: "the-shop", namespace: "default" },
  spec: { selector: { app: "shop" }, ports: [{ name: "http", port: 8080 }] },
};

describe("variables and files from objects, end to end", () => {
  let cluster: Cluster;
  const sh = (pod: string, script: string): Promise<string> =>
    cluster.kubectl(["exec", pod, "--", "sh", "-c", script]);

  beforeAll(async () => {
    cluster = await startCluster(["--log-level", "debug"]);
    await loadImages(cluster);
    await cluster.apply(configMap("settings", { color: "blue" }), secret("keys", SECRET), SHOP);
    await cluster.apply(
      podOf("fed", {
        labels: { tier: "front" },
        container: {
          env: [
            { name: "WORD", valueFrom: { secretKeyRef: { name: "keys", key: "word" } } },
            { name: "CPU", valueFrom: { resourceFieldRef: { resource: "limits.cpu" } } },
            { name: "SAID", value: "$(color) $(WORD)" },
          ],
          envFrom: [{ configMapRef: { name: "settings" } }],
          volumeMounts: [
            { name: "settings", mountPath: "/settings" },
            { name: "keys", mountPath: "/keys" },
            { name: "about", mountPath: "/about" },
          ],
        },
        spec: {
          volumes: [
            { name: "settings", configMap: { name: "settings" } },
            { name: "keys", secret: { secretName: "keys", defaultMode: 0o400 } },
            {
              name: "about",
              downwardAPI: {
                items: [{ path: "tier", fieldRef: { fieldPath: "metadata.labels['tier']" } }],
              },
            },
          ],
        },
      }),
    );
    await podWhen(cluster, "fed", isRunning);
  });
  afterAll(() => cluster.close());

  test("a container sees them, with the modes asked for", async () => {
    expect(await sh("fed", 'echo "$SAID"; cat /settings/color /keys/word /about/tier')).toBe(
      `blue ${SECRET}\nblue${SECRET}front`,
    );
    expect(await sh("fed", "stat -L -c %a /keys/word /settings/color")).toBe("400\n644\n");
    expect(Number(await sh("fed", 'echo "$CPU"'))).toBeGreaterThan(0);
    expect(await sh("fed", 'echo "$THE_SHOP_SERVICE_PORT_HTTP"')).toBe("8080\n");
  });

  test("a Secret's text is in no file, log, object or argument of ours", async () => {
    for (const text of [SECRET, base64Of(SECRET).slice(0, -4)]) {
      expect(filesWith(cluster.dataDir, text)).toEqual([]);
      expect(processesWith(text)).toEqual([]);
      expect(await cluster.kubectl(["get", "pods,events,nodes", "-o", "json"])).not.toContain(text);
    }
  });

  test("the fks-node identity reads neither Secrets nor ConfigMaps: a Pod's Node does", async () => {
    for (const resource of ["secrets", "configmaps"]) {
      const may = ["auth", "can-i", "get", resource, "--as", FKS_NODE_USER];
      const { stdout } = await cluster.tryKubectl(may);
      expect(stdout.trim()).toBe("no");
    }
  });

  test("a change reaches the files while the container runs on", async () => {
    const before = await cluster.get<Pod>("pod", "fed");
    await cluster.apply(configMap("settings", { color: "red", size: "L" }), secret("keys", "new"));
    await cluster.kubectl(["label", "pod", "fed", "tier=back", "--overwrite"]);
    await eventually(
      "files are new",
      async () => {
        const script = "cat /settings/color /settings/size /keys/word /about/tier";
        const { stdout } = await cluster.tryKubectl(["exec", "fed", "--", "sh", "-c", script]);
        return stdout === "redLnewback" ? true : undefined;
      },
      { timeoutMs: LIVE_TIMEOUT_MS },
    );
    const after = await cluster.get<Pod>("pod", "fed");
    expect(after.status?.containerStatuses).toEqual(before.status?.containerStatuses ?? []);
  });

  test("a container waits for what its variables miss, the Pod for its volumes", async () => {
    const spec = { volumes: [{ name: "v", secret: { secretName: "later-files" } }] };
    const envFrom = [{ secretRef: { name: "later" } }];
    await cluster.apply(podOf("unfed", { container: { envFrom } }), podOf("unmounted", { spec }));
    const waiting = await podWhen(
      cluster,
      "unfed",
      ({ status }) =>
        status?.containerStatuses?.[0]?.state?.waiting?.reason === "CreateContainerConfigError",
    );
    expect(waiting.status?.containerStatuses?.[0]?.state?.waiting?.message).toBe(
      'secret "later" not found',
    );
    await eventually("kubectl describe says why", async () => {
      const [one, other] = await Promise.all(
        ["unfed", "unmounted"].map((pod) => cluster.kubectl(["describe", "pod", pod])),
      );
      const isSaid =
        one?.includes('Error: secret "later" not found') &&
        other?.includes('MountVolume.SetUp failed for volume "v" : secret "later-files" not found');
      return isSaid ? true : undefined;
    });

    await cluster.apply(secret("later", "x"), secret("later-files", "x"));
    await podWhen(cluster, "unfed", isRunning);
    await podWhen(cluster, "unmounted", isRunning, LIVE_TIMEOUT_MS);
    expect(await sh("unfed", 'echo "$word"')).toBe("x\n");
  });
});

/** Files of ours that hold `text`; the control plane's database holds it, as it must. */
function filesWith(folder: string, text: string): readonly string[] {
  return [...new Bun.Glob("**/*").scanSync({ cwd: folder, dot: true, onlyFiles: true })].filter(
    (name) =>
      !/\.(db|sqlite)(-wal|-shm)?$/.test(name) && readFileSync(join(folder, name)).includes(text),
  );
}

function processesWith(text: string): readonly string[] {
  return readdirSync("/proc").filter((name) => {
    try {
      return /^\d+$/.test(name) && readFileSync(`/proc/${name}/cmdline`).includes(text);
    } catch {
      return false;
    }
  });
}

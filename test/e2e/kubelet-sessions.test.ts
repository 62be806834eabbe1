import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { dataPathsFor } from "#cmd/paths.ts";
import { machineIdOf } from "#core/kubelet/kept-logs.ts";
import { type Cluster, startCluster } from "./cluster.ts";
import { loadImages, WEB_IMAGE } from "./images.ts";
import { isRunning, podGone, podOf, podWhen } from "./objects.ts";
import { eventually } from "./process.ts";

/** A look every ten seconds. */
const FORGOTTEN_MS = 30_000;

/** The embedded Machines API, asked as a person may ask it. */
async function machinesApi({ dataDir }: Cluster) {
  const paths = dataPathsFor(dataDir);
  const { url } = await Bun.file(paths.machinesApiFile).json();
  const ask = async (method: string, path: string, tokenFile: string): Promise<string> => {
    const authorization = `Bearer ${(await Bun.file(tokenFile).text()).trim()}`;
    const answer = await fetch(`${url}${path}`, { method, headers: { authorization } });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text}`);
    return text;
  };
  return {
    async destroy(id: string): Promise<void> {
      const { apps } = JSON.parse(
        await ask("GET", "/v1/apps?org_slug=personal", paths.machinesApiToken),
      );
      const path = `/v1/apps/${apps[0].name}/machines/${id}`;
      await ask("DELETE", `${path}?force=true`, paths.machinesApiToken);
      const wait = `${path}/wait?state=destroyed&timeout=30`;
      await ask("GET", wait, paths.machinesApiToken);
    },
    async keptLogs(): Promise<readonly string[]> {
      const list = await ask("GET", "/fks/v1/logs", paths.machineProtocolToken);
      return JSON.parse(list).machines;
    },
  };
}

describe("sessions with containers", () => {
  let cluster: Cluster;

  beforeAll(async () => {
    cluster = await startCluster();
    await loadImages(cluster);
    await cluster.kubectl(["run", "web", `--image=${WEB_IMAGE}`, "--port=8080"]);
    await podWhen(cluster, "web", isRunning);
  });
  afterAll(() => cluster.close());

  /** `kubectl port-forward` of one port, once it listens. */
  const forwarded = async (pod: string, port: number) => {
    const command = cluster.kubectlCommand(["port-forward", pod, `:${port}`]);
    const child = Bun.spawn([...command], {
      env: { ...process.env, ...cluster.env },
      stdin: "ignore",
      stdout: "pipe",
      stderr: "pipe",
    });
    let said = "";
    void (async () => {
      for await (const bytes of child.stderr) said += Buffer.from(bytes).toString();
    })();
    const { value } = await child.stdout.getReader().read();
    const local = /127\.0\.0\.1:(\d+)/.exec(Buffer.from(value ?? []).toString())?.[1];
    return {
      url: `http://127.0.0.1:${local}/`,
      said: () => said,
      async [Symbol.asyncDispose]() {
        child.kill();
        await child.exited;
      },
    };
  };

  describe("attach", () => {
    const SCRIPT = 'while read line; do echo "got $line"; [ "$line" = bye ] && exit 7; done';

    test("what is typed reaches the container's own process, and its end is the client's", async () => {
      await cluster.apply(
        podOf("reader", {
          spec: { restartPolicy: "Never" },
          container: { command: ["sh", "-c", SCRIPT], stdin: true },
        }),
      );
      await podWhen(cluster, "reader", isRunning);
      // One that leaves takes nothing along.
      const leaving = Bun.spawn([...cluster.kubectlCommand(["attach", "-i", "reader"])], {
        env: { ...process.env, ...cluster.env },
        stdin: new Blob(["one\n"]),
        stdout: "pipe",
        stderr: "ignore",
      });
      const { value } = await leaving.stdout.getReader().read();
      expect(Buffer.from(value ?? []).toString()).toBe("got one\n");
      leaving.kill("SIGKILL");
      await leaving.exited;
      const attach = ["attach", "-i", "reader"];
      expect(await cluster.kubectl(attach, { stdin: "two\nbye\n" })).toBe("got two\ngot bye\n");

      const pod = await podWhen(cluster, "reader", ({ status }) => status?.phase === "Failed");
      expect(pod.status?.containerStatuses?.[0]?.state?.terminated?.exitCode).toBe(7);
      expect(await cluster.kubectl(["logs", "reader"])).toBe("got one\ngot two\ngot bye\n");
    });

    test("kubectl run -i --rm gives output and exit code, and leaves nothing", async () => {
      const image = `--image=${WEB_IMAGE}`;
      const run = ["run", "once", "-i", "--rm", "--quiet", "--restart=Never", image, "--"];
      const script = "while read line; do echo $line; done; exit 3";
      const { exitCode, stdout } = await cluster.tryKubectl([...run, "sh", "-c", script], {
        stdin: "in and out\n",
      });
      expect(stdout).toContain("in and out\n");
      expect(exitCode).toBe(3);
      await podGone(cluster, "once");
    });

    test("a terminal is one on both sides", async () => {
      const image = `--image=${WEB_IMAGE}`;
      const run = ["run", "term", "-it", "--rm", "--quiet", "--restart=Never", image, "--"];
      const command = [...run, "sh", "-c", "sleep 2; stty size; tty"];
      const line = cluster.kubectlCommand(command).map((word) => `'${word}'`);
      const child = Bun.spawn(
        ["script", "-qec", `stty rows 33 cols 77; ${line.join(" ")}`, "/dev/null"],
        {
          env: { ...process.env, ...cluster.env },
          stdin: "ignore",
          stdout: "pipe",
        },
      );
      const text = await new Response(child.stdout).text();
      expect(await child.exited).toBe(0);
      expect(text).toContain("33 77");
    });
  });

  describe("port-forward", () => {
    test("carries many connections at once, also after one that was refused", async () => {
      await using forward = await forwarded("web", 8_080);
      const ask = async (): Promise<string> => {
        const answer = await fetch(forward.url, { keepalive: false });
        return answer.text();
      };
      const pages = await Promise.all(Array.from({ length: 20 }, ask));
      expect(new Set(pages)).toEqual(new Set([`${WEB_IMAGE}\n`]));

      await using closed = await forwarded("web", 9);
      await fetch(closed.url).catch(() => undefined);
      await eventually("it is told", async () => {
        return closed.said().includes("error forwarding port 9 to pod") ? true : undefined;
      });
      expect(await ask()).toBe(`${WEB_IMAGE}\n`);
    });

    test("says of a port for UDP that it is one", async () => {
      const ports = [{ containerPort: 5353, protocol: "UDP" }];
      await cluster.apply(podOf("datagrams", { container: { ports } }));
      await podWhen(cluster, "datagrams", isRunning);
      await using forward = await forwarded("datagrams", 5_353);
      await fetch(forward.url).catch(() => undefined);
      await eventually("it is told", async () => {
        return forward.said().includes("UDP protocol is not supported for 5353") ? true : undefined;
      });
    });
  });

  test("kubectl cp carries large files and folders, both ways", async () => {
    const folder = mkdtempSync(join(tmpdir(), "fks-cp-"));
    try {
      const large = Buffer.concat(
        Array.from({ length: 512 }, () => crypto.getRandomValues(Buffer.alloc(65_536))),
      );
      mkdirSync(join(folder, "there/deep"), { recursive: true });
      writeFileSync(join(folder, "there/large"), large);
      writeFileSync(join(folder, "there/deep/small"), "small\n", { mode: 0o640 });
      await cluster.kubectl(["cp", join(folder, "there"), "web:/copied"]);
      const look = [
        "exec",
        "web",
        "--",
        "sh",
        "-c",
        "stat -c %a-%s /copied/large /copied/deep/small",
      ];
      expect(await cluster.kubectl(look)).toBe(`644-${large.length}\n640-6\n`);

      await cluster.kubectl(["cp", "web:/copied", join(folder, "back")]);
      expect(readFileSync(join(folder, "back/large")).equals(large)).toBe(true);
      expect(readFileSync(join(folder, "back/deep/small"), "utf8")).toBe("small\n");
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  test("logs of the run before, and of a time since, are there", async () => {
    // The second run stays, however long it takes to ask for the first one's words.
    const script =
      "echo run $(cat /v/n 2>/dev/null || echo 0); [ -e /v/n ] && sleep 1000; echo 1 > /v/n; exit 1";
    await cluster.apply(
      podOf("again", {
        spec: { volumes: [{ name: "v", emptyDir: {} }] },
        container: {
          command: ["sh", "-c", script],
          volumeMounts: [{ name: "v", mountPath: "/v" }],
        },
      }),
    );
    await podWhen(cluster, "again", ({ status }) => {
      return (status?.containerStatuses?.[0]?.restartCount ?? 0) > 0;
    });
    expect(await cluster.kubectl(["logs", "again", "--previous"])).toBe("run 0\n");
    const future = ["--since-time=2100-01-01T00:00:00Z"];
    expect(await cluster.kubectl(["logs", "again", ...future])).toBe("");
    const never = await cluster.tryKubectl(["logs", "web", "--previous"]);
    expect(never.stderr).toContain('previous terminated container "web" in pod "web" not found');
  });

  test("logs of a finished Pod outlive its Machine, and go with the Pod", async () => {
    const script = "echo one; echo two; echo three";
    const spec = { restartPolicy: "Never" };
    await cluster.apply(podOf("done", { spec, container: { command: ["sh", "-c", script] } }));
    const pod = await podWhen(cluster, "done", ({ status }) => status?.phase === "Succeeded");
    const id = machineIdOf(pod.status?.containerStatuses?.[0] ?? { name: "main" }) ?? "";
    const api = await machinesApi(cluster);
    await api.destroy(id);

    const logs = (...options: readonly string[]) => cluster.kubectl(["logs", "done", ...options]);
    expect(await logs()).toBe("one\ntwo\nthree\n");
    expect(await logs("-c", "main", "--tail=1")).toBe("three\n");
    expect(await logs("--limit-bytes=5")).toBe("one\nt");
    expect(await logs("--since-time=2100-01-01T00:00:00Z")).toBe("");
    expect(await logs("--timestamps", "--tail=1")).toMatch(/^\d{4}-\S+Z three\n$/);
    const { stderr } = await cluster.tryKubectl(["logs", "done", "--previous"]);
    expect(stderr).toContain('previous terminated container "main" in pod "done" not found');
    expect((await podWhen(cluster, "done", () => true)).status?.phase).toBe("Succeeded");

    await cluster.kubectl(["delete", "pod", "done"]);
    await eventually(
      "its logs are forgotten",
      async () => ((await api.keptLogs()).includes(id) ? undefined : true),
      { timeoutMs: FORGOTTEN_MS },
    );
  });

  test("kubectl debug joins the processes of the container it is to look at", async () => {
    const image = `--image=${WEB_IMAGE}`;
    const debug = ["debug", "web", "-i", "-q", "-c", "looker", image, "--target=web", "--"];
    const script = "read line; echo read $line; ps";
    const text = await cluster.kubectl([...debug, "sh", "-c", script], { stdin: "this\n" });
    expect(text).toContain("read this\n");
    expect(text).toMatch(/httpd -f -p/);
    const pod = await podWhen(cluster, "web", ({ status }) => {
      return status?.ephemeralContainerStatuses?.[0]?.state?.terminated !== undefined;
    });
    expect(pod.status?.ephemeralContainerStatuses?.[0]).toMatchObject({
      name: "looker",
      state: { terminated: { exitCode: 0, reason: "Completed" } },
    });
    expect(await cluster.kubectl(["logs", "web", "-c", "looker"])).toContain("read this");
    expect(isRunning(pod)).toBe(true);
  });
});

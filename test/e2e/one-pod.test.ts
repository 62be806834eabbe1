import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { Pod } from "#core/kube/pod.ts";
import { type Cluster, startCluster } from "./cluster.ts";
import { loadImages, WEB_IMAGE } from "./images.ts";
import { eventReasons, isRunning, pageOf, podGone, podOf, podWhen } from "./objects.ts";
import { eventually } from "./process.ts";

describe("one Pod, end to end", () => {
  let cluster: Cluster;
  let web: Pod;

  beforeAll(async () => {
    cluster = await startCluster();
    await loadImages(cluster);
    await cluster.kubectl(["run", "web", `--image=${WEB_IMAGE}`, "--port=8080"]);
    web = await podWhen(cluster, "web", isRunning);
  });
  afterAll(() => cluster.close());

  test("kubectl run gives a Pod that runs in a Machine with an IPv6 address of its own", async () => {
    const address = web.status?.podIP ?? "";
    expect(address).toStartWith("fdaa:");
    expect(web.status?.podIPs).toEqual([{ ip: address }]);
    expect(web.status?.hostIP).toStartWith("fdaa:");
    expect(web.status?.containerStatuses?.[0]).toMatchObject({
      ready: true,
      started: true,
      restartCount: 0,
      imageID: expect.stringContaining("@sha256:"),
      containerID: expect.stringContaining("fks://"),
    });
    expect(await pageOf(address)).toBe(`${WEB_IMAGE}\n`);
  });

  test("kubectl get shows the Pod Running and kubectl describe its Events in the kubelet's words", async () => {
    expect(await cluster.kubectl(["get", "pods"])).toMatch(/web\s+1\/1\s+Running\s+0/);
    await eventually("all Events are there", async () => {
      const reasons = await eventReasons(cluster, "web");
      return ["Scheduled", "Pulled", "Created", "Started"].every((r) => reasons.includes(r))
        ? true
        : undefined;
    });
    expect(await cluster.kubectl(["describe", "pod", "web"])).toContain("Started");
  });

  test("the namespace carries the name of its App", async () => {
    const { metadata } = await cluster.get<Pod>("namespace", "default");
    expect(metadata.labels?.["fly.io/app"]).toMatch(/^fks-default-[a-z2-7]{16}$/);
  });

  test("kubectl logs gives output, the last lines, and follows until the container ends", async () => {
    const command = ["sh", "-c", "for i in 1 2 3 4 5 6; do echo line $i; sleep 0.3; done"];
    await cluster.apply(
      podOf("talker", { spec: { restartPolicy: "Never" }, container: { command } }),
    );
    await podWhen(cluster, "talker", (pod) => pod.status?.phase !== "Pending");

    const followed = await cluster.kubectl(["logs", "-f", "talker"]);
    expect(followed).toBe([1, 2, 3, 4, 5, 6].map((i) => `line ${i}\n`).join(""));
    expect(await cluster.kubectl(["logs", "talker", "--tail=2"])).toBe("line 5\nline 6\n");
    expect(await cluster.kubectl(["logs", "talker", "--tail=1", "--timestamps"])).toMatch(
      /^\d{4}-\d\d-\d\dT[\d:.]+Z line 6\n$/,
    );
    await podWhen(cluster, "talker", (pod) => pod.status?.phase === "Succeeded");
    expect(await cluster.kubectl(["logs", "talker", "--limit-bytes=6"])).toBe("line 1");
  });

  test("kubectl exec keeps output and error apart, reads input and ends with the command's code", async () => {
    const ran = await cluster.tryKubectl(
      ["exec", "-i", "web", "--", "sh", "-c", "cat; echo oops >&2; exit 3"],
      { stdin: "from outside\n" },
    );

    expect(ran.stdout).toBe("from outside\n");
    expect(ran.stderr).toContain("oops\n");
    expect(ran.exitCode).toBe(3);
  });

  test("kubectl exec works over SPDY too", async () => {
    const ran = await cluster.tryKubectl(["exec", "web", "--", "echo", "spdy"], {
      env: { KUBECTL_REMOTE_COMMAND_WEBSOCKETS: "false" },
    });
    expect(ran).toMatchObject({ stdout: "spdy\n", exitCode: 0 });
  });

  test("kubectl exec -it gives a terminal that knows its size", async () => {
    let screen = "";
    const child = Bun.spawn([...cluster.kubectlCommand(["exec", "-it", "web", "--", "sh"])], {
      env: { ...process.env, ...cluster.env, TERM: "xterm" },
      terminal: {
        cols: 101,
        rows: 37,
        data(_terminal, bytes) {
          screen += new TextDecoder().decode(bytes);
        },
      },
    });
    const shows = (what: string): Promise<true> =>
      eventually(
        `the terminal shows ${what}`,
        async () => (screen.includes(what) ? true : undefined),
        {
          explain: async () => JSON.stringify(screen),
        },
      );

    await shows("#");
    await Bun.sleep(300);
    child.terminal?.write("tty; stty size\n");
    await shows("/dev/pts/");
    await shows("37 101");
    child.terminal?.resize(120, 40);
    await eventually("the new size arrives", async () => {
      child.terminal?.write("stty size\n");
      await Bun.sleep(200);
      return screen.includes("40 120") ? true : undefined;
    });
    child.terminal?.write("exit 7\n");
    expect(await child.exited).toBe(7);
  });

  test("kubectl exec carries twenty megabytes both ways unharmed", async () => {
    const bytes = "0123456789abcdef".repeat(20 * 65_536);
    const back = await cluster.kubectl(["exec", "-i", "web", "--", "cat"], { stdin: bytes });
    expect(back.length).toBe(bytes.length);
    expect(Bun.hash(back)).toBe(Bun.hash(bytes));
  });

  /** Runs `kubectl port-forward` to `port` while `use` works with the local address. */
  async function forwarded<T>(port: number, use: (url: string) => Promise<T>): Promise<T> {
    const child = Bun.spawn([...cluster.kubectlCommand(["port-forward", "web", `:${port}`])], {
      stdout: "pipe",
      stderr: "ignore",
      env: { ...process.env, ...cluster.env },
    });
    let printed = "";
    const reading = (async () => {
      for await (const chunk of child.stdout) printed += new TextDecoder().decode(chunk);
    })();
    try {
      const local = await eventually("kubectl forwards", async () => {
        return /127\.0\.0\.1:(\d+) ->/.exec(printed)?.[1];
      });
      return await use(`http://127.0.0.1:${local}/`);
    } finally {
      child.kill();
      await Promise.all([child.exited, reading]);
    }
  }

  test("kubectl port-forward reaches the Pod, over many connections at once", async () => {
    const many = await forwarded(8080, (url) =>
      Promise.all(Array.from({ length: 8 }, () => fetch(url).then((answer) => answer.text()))),
    );
    expect(many).toEqual(Array.from({ length: 8 }, () => `${WEB_IMAGE}\n`));
  });

  test("kubectl port-forward to a port nobody listens on refuses, and harms nobody else", async () => {
    const refused = await forwarded(9, (url) => fetch(url).catch(() => "refused"));
    expect(refused).toBe("refused");
    expect(await forwarded(8080, (url) => fetch(url).then((a) => a.text()))).toBe(`${WEB_IMAGE}\n`);
  });

  test("a Pod asks the API server with its own token and CA, and is known by its ServiceAccount", async () => {
    const self = "/apis/authentication.k8s.io/v1";
    const ran = await cluster.kubectl(["exec", "web", "--", "api-client", self]);
    expect(ran).toStartWith("200\n");

    const denied = await cluster.kubectl(["exec", "web", "--", "api-client", "/api/v1/secrets"]);
    expect(denied).toStartWith("403\n");
    expect(denied).toContain("system:serviceaccount:default:default");
  });

  test("a Pod resolves its App's name and finds its own name in /etc/hosts", async () => {
    const app = (await cluster.get<Pod>("namespace", "default")).metadata.labels?.["fly.io/app"];
    const hosts = await cluster.kubectl(["exec", "web", "--", "cat", "/etc/hosts"]);
    expect(hosts).toContain(`${web.status?.podIP}\tweb`);
    const answer = await cluster.kubectl(["exec", "web", "--", "nslookup", `${app}.internal`]);
    expect(answer).toContain(web.status?.podIP ?? "no address");
  });

  test("env, $(VAR), command, args, workingDir and the Pod's own fields arrive", async () => {
    const container = {
      command: ["sh", "-c"],
      args: ["echo $GREETING from $POD on $NODE at $IP in $(pwd) with $(WHO)"],
      workingDir: "/data",
      env: [
        { name: "WHO", value: "kubelet" },
        { name: "GREETING", value: "hello $(WHO) $$(WHO)" },
        { name: "POD", valueFrom: { fieldRef: { fieldPath: "metadata.name" } } },
        { name: "NODE", valueFrom: { fieldRef: { fieldPath: "spec.nodeName" } } },
        { name: "IP", valueFrom: { fieldRef: { fieldPath: "status.podIP" } } },
      ],
    };
    await cluster.apply(podOf("env", { spec: { restartPolicy: "Never" }, container }));
    const pod = await podWhen(cluster, "env", ({ status }) => status?.phase === "Succeeded");

    const { nodeName } = pod.spec;
    expect(await cluster.kubectl(["logs", "env"])).toBe(
      `hello kubelet $(WHO) from env on ${nodeName} at ${pod.status?.podIP} in /data with kubelet\n`,
    );
  });

  test("a Pod may name the one class there is", async () => {
    await cluster.apply(podOf("classy", { spec: { runtimeClassName: "fks" } }));
    await podWhen(cluster, "classy", isRunning);
  });

  test("a graceful deletion lets the container finish, then Pod and Machine are gone", async () => {
    const loop = "trap 'echo bye; exit 0' TERM; echo hello; while :; do sleep 0.1; done";
    const command = ["sh", "-c", loop];
    await cluster.apply(
      podOf("polite", { spec: { terminationGracePeriodSeconds: 20 }, container: { command } }),
    );
    const pod = await podWhen(cluster, "polite", isRunning);
    const address = pod.status?.podIP ?? "";
    await using following = Bun.spawn([...cluster.kubectlCommand(["logs", "-f", "polite"])], {
      stdout: "pipe",
      stderr: "ignore",
      env: { ...process.env, ...cluster.env },
    });
    const output = following.stdout.pipeThrough(new TextDecoderStream()).getReader();
    // It follows from here on, however long kubectl took to start.
    expect((await output.read()).value).toBe("hello\n");

    const startedAt = performance.now();
    await cluster.kubectl(["delete", "pod", "polite"]);
    expect(performance.now() - startedAt).toBeLessThan(10_000);
    expect((await output.read()).value).toBe("bye\n");
    expect(await following.exited).toBe(0);
    await podGone(cluster, "polite");
    const silent = fetch(`http://[${address}]:8080/`, { signal: AbortSignal.timeout(2_000) });
    expect(await silent.catch(() => "silent")).toBe("silent");
  });

  test("a forced deletion removes a Pod that will not listen at once", async () => {
    const command = ["sh", "-c", "trap '' TERM; while :; do sleep 0.1; done"];
    await cluster.apply(
      podOf("stubborn", { spec: { terminationGracePeriodSeconds: 600 }, container: { command } }),
    );
    await podWhen(cluster, "stubborn", isRunning);
    await cluster.kubectl(["delete", "pod", "stubborn", "--force", "--grace-period=0"]);
    await podGone(cluster, "stubborn", 5_000);
    await eventually("its Machine is destroyed", async () => {
      const { stdout } = await cluster.fks(["status", "-o", "json"]);
      return stdout.includes("stubborn") ? undefined : true;
    });
  });
});

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { Pod } from "#core/kube/pod.ts";
import { type Cluster, startCluster } from "./cluster.ts";
import { loadImages, WEB_IMAGE } from "./images.ts";
import { eventReasons, isRunning, podOf, podWhen } from "./objects.ts";
import { eventually } from "./process.ts";

const image = WEB_IMAGE;
const shell = (script: string) => ["sh", "-c", script];
const resources = (memory: string) => ({
  requests: { cpu: "50m", memory: "16Mi" },
  limits: { cpu: "100m", memory },
});
const volumes = [{ name: "data", emptyDir: {} }];
const volumeMounts = [{ name: "data", mountPath: "/data" }];

describe("the life of whole Pods, end to end", () => {
  let cluster: Cluster;
  const sh = (pod: string, script: string, ...flags: readonly string[]): Promise<string> =>
    cluster.kubectl(["exec", pod, ...flags, "--", ...shell(script)]);

  beforeAll(async () => {
    cluster = await startCluster();
    await loadImages(cluster);
  });
  afterAll(() => cluster.close());

  test("init containers run one after the other before the others", async () => {
    const step = (name: string) => ({
      name,
      image,
      command: shell(`echo ${name} >> /data/order`),
      volumeMounts,
    });
    await cluster.apply(
      podOf("ordered", {
        spec: { volumes, initContainers: [step("first"), step("second")] },
        container: { volumeMounts },
      }),
    );
    const { status } = await podWhen(cluster, "ordered", isRunning);
    expect(await sh("ordered", "cat /data/order")).toBe("first\nsecond\n");
    expect(status?.initContainerStatuses).toMatchObject([
      { name: "first", ready: true, state: { terminated: { reason: "Completed" } } },
      { name: "second", ready: true, state: { terminated: { reason: "Completed" } } },
    ]);
    expect(conditionOf(status, "Initialized")).toMatchObject({ status: "True" });
  });

  test("an init container that fails for good fails the Pod, and the others never start", async () => {
    await cluster.apply(
      podOf("unfit", {
        spec: {
          restartPolicy: "Never",
          initContainers: [{ name: "init", image, command: shell("exit 3") }],
        },
      }),
    );
    const { status } = await podWhen(
      cluster,
      "unfit",
      ({ status: one }) => one?.phase === "Failed",
    );
    expect(status).toMatchObject({
      initContainerStatuses: [{ state: { terminated: { exitCode: 3 } } }],
      containerStatuses: [{ state: { waiting: { reason: "PodInitializing" } } }],
    });
    expect(conditionOf(status, "Initialized")).toMatchObject({
      status: "False",
      message: "containers with incomplete status: [init]",
    });
  });

  test("a sidecar starts first, is stopped last, and keeps no Job's Pod going", async () => {
    await cluster.apply(
      podOf("job", {
        spec: {
          restartPolicy: "Never",
          volumes,
          initContainers: [
            {
              name: "sidecar",
              image,
              restartPolicy: "Always",
              command: shell("trap 'exit 0' TERM; touch /data/up; while :; do sleep 0.1; done"),
              startupProbe: { exec: { command: ["test", "-e", "/data/up"] }, periodSeconds: 1 },
              volumeMounts,
            },
          ],
        },
        container: { command: shell("test -e /data/up"), volumeMounts },
      }),
    );
    const { status } = await podWhen(
      cluster,
      "job",
      ({ status: one }) => one?.phase === "Succeeded",
    );
    expect(status?.containerStatuses?.[0]?.state?.terminated?.exitCode).toBe(0);
    expect(status?.initContainerStatuses?.[0]?.state?.terminated).toBeDefined();
  });

  test("readiness follows its probe, a failed liveness probe restarts the container", async () => {
    await cluster.apply(
      podOf("probed", {
        container: {
          ports: [{ name: "http", containerPort: 8080 }],
          command: shell("touch /alive; exec busybox httpd -f -p '[::]:8080' -h /www"),
          startupProbe: { tcpSocket: { port: "http" }, periodSeconds: 1 },
          readinessProbe: { httpGet: { path: "/ready.html", port: "http" }, periodSeconds: 1 },
          livenessProbe: { exec: { command: ["test", "-e", "/alive"] }, periodSeconds: 1 },
        },
      }),
    );
    const started = await podWhen(cluster, "probed", ({ status }) => {
      return status?.containerStatuses?.[0]?.started === true;
    });
    expect(conditionOf(started.status, "Ready")).toMatchObject({ status: "False" });
    await sh("probed", "touch /www/ready.html");
    await podWhen(cluster, "probed", isReady);
    await sh("probed", "rm /alive");
    const again = await podWhen(cluster, "probed", ({ status }) => {
      return status?.containerStatuses?.[0]?.restartCount === 1;
    });
    expect(again.status?.phase).toBe("Running");
    await eventually("Unhealthy is told", async () =>
      (await eventReasons(cluster, "probed")).includes("Unhealthy") ? true : undefined,
    );
  });

  test("hooks run around the container, and its last words become the message", async () => {
    await cluster.apply(
      podOf("hooked", {
        spec: { restartPolicy: "Never", volumes, terminationGracePeriodSeconds: 10 },
        container: {
          command: shell("sleep 2; cat /data/began > /words; exit 7"),
          terminationMessagePath: "/words",
          lifecycle: {
            postStart: { exec: { command: shell("echo hello > /data/began") } },
            preStop: { sleep: { seconds: 1 } },
          },
          volumeMounts,
        },
      }),
    );
    const { status } = await podWhen(
      cluster,
      "hooked",
      ({ status: one }) => one?.phase === "Failed",
    );
    expect(status?.containerStatuses?.[0]?.state?.terminated).toMatchObject({
      exitCode: 7,
      message: "hello\n",
    });
  });

  test("a container runs as its security context says", async () => {
    await cluster.apply(
      podOf("secure", {
        spec: {
          shareProcessNamespace: true,
          securityContext: {
            runAsUser: 1000,
            runAsGroup: 3000,
            runAsNonRoot: true,
            fsGroup: 2000,
            supplementalGroups: [4000],
            sysctls: [{ name: "net.ipv4.ip_unprivileged_port_start", value: "0" }],
          },
          volumes,
        },
        container: {
          securityContext: {
            readOnlyRootFilesystem: true,
            allowPrivilegeEscalation: false,
            capabilities: { drop: ["ALL"] },
          },
          volumeMounts: [
            ...volumeMounts,
            { name: "data", mountPath: "/part", subPath: "a/b", readOnly: true },
          ],
        },
      }),
    );
    const { status } = await podWhen(cluster, "secure", isRunning);
    expect(await sh("secure", "id -u; id -g; id -G")).toBe("1000\n3000\n3000 2000 4000\n");
    expect(await sh("secure", "cat /proc/sys/net/ipv4/ip_unprivileged_port_start")).toBe("0\n");
    expect(await sh("secure", "grep -E 'NoNewPrivs|CapEff' /proc/self/status")).toMatch(
      /CapEff:\s+0+\nNoNewPrivs:\s+1/,
    );
    expect(await sh("secure", "touch /x 2>&1 || true")).toContain("Read-only");
    expect(await sh("secure", "touch /part/x 2>&1 || true; ls -d /data/a/b")).toContain(
      "Read-only",
    );
    expect(await sh("secure", "touch /data/x; stat -c %g /data/x")).toBe("2000\n");
    expect(status?.containerStatuses?.[0]?.user?.linux).toMatchObject({ uid: 1000, gid: 3000 });
  });

  test("a Pod past its deadline has failed, and its exit rules decide over restarts", async () => {
    await cluster.apply(
      podOf("late", { spec: { activeDeadlineSeconds: 3, restartPolicy: "Never" } }),
      podOf("ruled", {
        spec: { restartPolicy: "Never" },
        container: {
          command: shell("exit 42"),
          restartPolicy: "Never",
          restartPolicyRules: [{ action: "Restart", exitCodes: { operator: "In", values: [42] } }],
        },
      }),
    );
    const { status } = await podWhen(cluster, "late", ({ status: one }) => one?.phase === "Failed");
    expect(status).toMatchObject({ reason: "DeadlineExceeded" });
    const ruled = await podWhen(cluster, "ruled", ({ status: one }) => {
      return (one?.containerStatuses?.[0]?.restartCount ?? 0) > 0;
    });
    expect(ruled.status?.phase).toBe("Running");
  });

  test("an unsafe sysctl fails the Pod as at a kubelet", async () => {
    const sysctls = [{ name: "kernel.msgmax", value: "65536" }];
    await cluster.apply(podOf("unsafe", { spec: { securityContext: { sysctls } } }));
    const { status } = await podWhen(
      cluster,
      "unsafe",
      ({ status: one }) => one?.phase === "Failed",
    );
    expect(status?.reason).toBe("SysctlForbidden");
  });

  test("limits of a running container follow the Pod, without a restart", async () => {
    await cluster.apply(podOf("sized", { container: { resources: resources("32Mi") } }));
    await podWhen(cluster, "sized", isRunning);
    const patch = { spec: { containers: [{ name: "main", resources: resources("64Mi") }] } };
    const request = ["patch", "pod", "sized", "--subresource=resize", "--type=strategic", "-p"];
    await cluster.kubectl([...request, JSON.stringify(patch)]);
    const { status } = await podWhen(cluster, "sized", ({ status: one }) => {
      return one?.containerStatuses?.[0]?.resources?.limits?.["memory"] === "64Mi";
    });
    expect(status?.containerStatuses?.[0]?.restartCount).toBe(0);
    expect(conditionOf(status, "PodResizeInProgress")).toBeUndefined();
  });
});

function conditionOf(status: Pod["status"], type: string) {
  return status?.conditions?.find((one) => one.type === type);
}

function isReady({ status }: Pod): boolean {
  return conditionOf(status, "Ready")?.status === "True";
}

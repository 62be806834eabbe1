import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { Pod } from "#core/kube/pod.ts";
import { type Cluster, startCluster } from "./cluster.ts";
import { loadImages, WEB_IMAGE, WEB_IMAGE_2 } from "./images.ts";
import {
  deploymentOf,
  eventReasons,
  isRunning,
  pageOf,
  podGone,
  podOf,
  podWhen,
} from "./objects.ts";
import { eventually } from "./process.ts";

interface PodList {
  readonly items: readonly Pod[];
}

describe("workloads and what goes wrong with them", () => {
  let cluster: Cluster;

  beforeAll(async () => {
    cluster = await startCluster();
    await loadImages(cluster);
  });
  afterAll(() => cluster.close());

  const podsOf = async (app: string): Promise<readonly Pod[]> =>
    (await cluster.get<PodList>("pods", "-l", `app=${app}`)).items;

  test("a Job's Pods run to completion and their logs stay", async () => {
    await cluster.apply({
      apiVersion: "batch/v1",
      kind: "Job",
      metadata: { name: "sum" },
      spec: {
        completions: 3,
        parallelism: 2,
        template: {
          spec: {
            restartPolicy: "Never",
            containers: [
              { name: "main", image: WEB_IMAGE, command: ["sh", "-c", "echo $((6*7))"] },
            ],
          },
        },
      },
    });
    await cluster.kubectl(["wait", "--for=condition=complete", "job/sum", "--timeout=60s"]);
    expect(
      await cluster.kubectl(["logs", "job/sum", "--all-pods=true", "--prefix=false"]),
    ).toContain("42\n");
  });

  test("a Job whose Pod fails with OnFailure is restarted in place until it succeeds", async () => {
    const command = ["sh", "-c", "test -e /shared/second && exit 0; touch /shared/second; exit 4"];
    await cluster.apply(
      podOf("twice", {
        spec: { restartPolicy: "OnFailure", volumes: [{ name: "shared", emptyDir: {} }] },
        container: { command, volumeMounts: [{ name: "shared", mountPath: "/shared" }] },
      }),
    );
    const pod = await podWhen(
      cluster,
      "twice",
      ({ status }) => status?.phase === "Succeeded",
      60_000,
    );
    expect(pod.status?.containerStatuses?.[0]).toMatchObject({
      restartCount: 1,
      state: { terminated: { exitCode: 0, reason: "Completed" } },
    });
  });

  test("a Deployment scales to twenty and back, and a rolling update replaces every Pod", async () => {
    await cluster.apply(deploymentOf("fleet", 3));
    await cluster.kubectl(["rollout", "status", "deployment/fleet", "--timeout=60s"]);
    await cluster.kubectl(["scale", "deployment/fleet", "--replicas=20"]);
    await cluster.kubectl(["rollout", "status", "deployment/fleet", "--timeout=120s"]);
    const twenty = await podsOf("fleet");
    expect(new Set(twenty.map(({ status }) => status?.podIP)).size).toBe(20);
    expect(new Set(twenty.map(({ spec }) => spec.nodeName)).size).toBe(2);

    await cluster.kubectl(["scale", "deployment/fleet", "--replicas=3"]);
    await eventually(
      "three Pods are left",
      async () => ((await podsOf("fleet")).length === 3 ? true : undefined),
      { timeoutMs: 60_000 },
    );
    await cluster.kubectl(["set", "image", "deployment/fleet", `main=${WEB_IMAGE_2}`]);
    await cluster.kubectl(["rollout", "status", "deployment/fleet", "--timeout=120s"]);
    const updated = await eventually(
      "only new Pods are left",
      async () => {
        const pods = await podsOf("fleet");
        return pods.length === 3 ? pods : undefined;
      },
      { timeoutMs: 60_000 },
    );
    for (const pod of updated) {
      expect(await pageOf(pod.status?.podIP)).toBe(`${WEB_IMAGE_2}\n`);
    }
    await cluster.kubectl(["delete", "deployment", "fleet"]);
  });

  test("a drained Node loses its Pods to the other one, and takes new ones when uncordoned", async () => {
    await cluster.apply(deploymentOf("mover", 4));
    await cluster.kubectl(["rollout", "status", "deployment/mover", "--timeout=60s"]);
    await cluster.kubectl(["drain", "local-a", "--force", "--timeout=60s"]);
    await cluster.kubectl(["rollout", "status", "deployment/mover", "--timeout=60s"]);
    const after = (await podsOf("mover")).filter(({ metadata }) => !metadata.deletionTimestamp);
    expect(after.map(({ spec }) => spec.nodeName)).toEqual([
      "local-b",
      "local-b",
      "local-b",
      "local-b",
    ]);
    await cluster.kubectl(["uncordon", "local-a"]);
    await cluster.kubectl(["delete", "deployment", "mover"]);
  });

  test("a container that keeps failing goes into CrashLoopBackOff with its last exit code", async () => {
    await cluster.apply(podOf("crasher", { container: { command: ["sh", "-c", "exit 3"] } }));
    const pod = await podWhen(
      cluster,
      "crasher",
      ({ status }) =>
        status?.containerStatuses?.[0]?.state?.waiting?.reason === "CrashLoopBackOff" &&
        (status.containerStatuses[0].restartCount ?? 0) >= 1,
      60_000,
    );
    expect(pod.status?.phase).toBe("Running");
    expect(pod.status?.containerStatuses?.[0]?.lastState?.terminated).toMatchObject({
      exitCode: 3,
      reason: "Error",
    });
    await eventually("the back-off is told", async () =>
      (await eventReasons(cluster, "crasher")).includes("BackOff") ? true : undefined,
    );
    await cluster.kubectl(["delete", "pod", "crasher"]);
  });

  test("a container over its memory limit is OOMKilled", async () => {
    const command = ["sh", "-c", "x=a; while :; do x=$x$x; done"];
    await cluster.apply(
      podOf("hungry", {
        spec: { restartPolicy: "Never" },
        container: { command, resources: { limits: { memory: "24Mi" } } },
      }),
    );
    const pod = await podWhen(
      cluster,
      "hungry",
      ({ status }) => status?.phase === "Failed",
      60_000,
    );
    expect(pod.status?.containerStatuses?.[0]?.state?.terminated).toMatchObject({
      exitCode: 137,
      reason: "OOMKilled",
    });
  });

  test.each([
    ["unknown", { image: "127.0.0.1:1/nothing/here:1" }, ["ErrImagePull", "ImagePullBackOff"]],
    ["never", { image: "fks-test/absent:1", imagePullPolicy: "Never" }, ["ErrImageNeverPull"]],
    ["misspelt", { image: "UPPER/Case:1" }, ["InvalidImageName"]],
  ])(
    "an image that is %s leaves the Pod Pending with the kubelet's reason",
    async (name, container, reasons) => {
      await cluster.apply(podOf(`image-${name}`, { container }));
      const pod = await podWhen(cluster, `image-${name}`, ({ status }) =>
        reasons.includes(status?.containerStatuses?.[0]?.state?.waiting?.reason ?? ""),
      );
      expect(pod.status?.phase).toBe("Pending");
      await cluster.kubectl(["delete", "pod", `image-${name}`]);
      await podGone(cluster, `image-${name}`);
    },
  );

  test("a Pod with a field that cannot be carried stays Pending and an Event names the field", async () => {
    await cluster.apply(
      podOf("refused", {
        spec: { hostPID: true, volumes: [{ name: "host", hostPath: { path: "/etc" } }] },
        container: { volumeMounts: [{ name: "host", mountPath: "/host" }] },
      }),
    );
    const pod = await podWhen(
      cluster,
      "refused",
      ({ status }) =>
        status?.containerStatuses?.[0]?.state?.waiting?.reason === "CreateContainerConfigError",
    );
    expect(pod.status?.phase).toBe("Pending");
    const described = await eventually("the Event is there", async () => {
      const text = await cluster.kubectl(["describe", "pod", "refused"]);
      return text.includes("hostPID") && text.includes("hostPath") ? text : undefined;
    });
    expect(described).toContain("hostPID");
    await cluster.kubectl(["delete", "pod", "refused"]);
    await podGone(cluster, "refused");
  });

  test("the kubelet API answers 401 to nobody and 403 to who has no right", async () => {
    const node = await cluster.get<{
      status: { addresses: readonly { type: string; address: string }[] };
    }>("node", "local-a");
    const address = node.status.addresses.find(({ type }) => type === "InternalIP")?.address;
    const url = `https://[${address}]:10250/pods`;
    const insecure = { tls: { rejectUnauthorized: false } };
    expect((await fetch(url, insecure)).status).toBe(401);

    const tokenOf = async (account: string): Promise<string> => {
      await cluster.kubectl(["create", "serviceaccount", account]);
      return (await cluster.kubectl(["create", "token", account])).trim();
    };
    const statusFor = async (token: string): Promise<number> => {
      const headers = { authorization: `Bearer ${token}` };
      return (await fetch(url, { ...insecure, headers })).status;
    };
    expect(await statusFor(await tokenOf("nobody"))).toBe(403);
    expect(await statusFor("x")).toBe(401);

    // Another one, since a refusal is remembered for half a minute.
    const reader = await tokenOf("reader");
    const role = ["create", "clusterrole", "reader", "--verb=get", "--resource=nodes/proxy"];
    await cluster.kubectl(role);
    const binding = ["create", "clusterrolebinding", "reader", "--clusterrole=reader"];
    await cluster.kubectl([...binding, "--serviceaccount=default:reader"]);
    await eventually("the right is known", async () => {
      const asReader = ["--subresource=proxy", "--as=system:serviceaccount:default:reader"];
      return cluster.kubectl(["auth", "can-i", "get", "nodes", ...asReader]);
    });
    expect(await statusFor(reader)).toBe(200);
  });

  test("a Pod of another namespace has another App, and both run", async () => {
    await cluster.kubectl(["create", "namespace", "other"]);
    await cluster.apply(podOf("there", { namespace: "other" }));
    await eventually("it runs", async () => {
      const pod = await cluster.get<Pod>("pod", "there", "-n", "other");
      return isRunning(pod) ? true : undefined;
    });
    const namespace = await cluster.get<Pod>("namespace", "other");
    expect(namespace.metadata.labels?.["fly.io/app"]).toStartWith("fks-other-");
    await cluster.kubectl(["delete", "namespace", "other", "--timeout=60s"]);
  });
});

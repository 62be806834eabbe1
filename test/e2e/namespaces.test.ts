import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { Namespace } from "#core/kube/namespace.ts";
import { type Cluster, startCluster } from "./cluster.ts";
import { isRunning, podOf } from "./objects.ts";
import { type Platform, platformOf } from "./platform.ts";
import { eventually } from "./process.ts";

const APP = "fly.io/app";
const forever = new AbortController().signal;

interface NamespaceList {
  readonly items: readonly Namespace[];
}

function namespaceOf(name: string, labels: Readonly<Record<string, string>> = {}): object {
  return { apiVersion: "v1", kind: "Namespace", metadata: { name, labels } };
}

describe("namespaces and their Apps", () => {
  let cluster: Cluster;
  let fly: Platform;

  beforeAll(async () => {
    cluster = await startCluster(["--runtime", "none"]);
    fly = platformOf(cluster);
  });
  afterAll(() => cluster.close());

  const appOf = (name: string): Promise<string> =>
    eventually(`namespace ${name} has its App's label`, async () => {
      const { metadata } = await cluster.get<Namespace>("namespace", name);
      return metadata.finalizers?.includes(APP) ? metadata.labels[APP] : undefined;
    });

  const running = (name: string, namespace: string): Promise<true> =>
    eventually(`Pod ${namespace}/${name} runs`, async () => {
      const pod = await cluster.get<Parameters<typeof isRunning>[0]>("pod", name, "-n", namespace);
      return isRunning(pod) ? true : undefined;
    });

  test("each one has its label at once, those of the control plane too, and no App yet", async () => {
    await eventually("every namespace has its label", async () => {
      const { items } = await cluster.get<NamespaceList>("namespaces");
      return items.every(({ metadata }) => metadata.labels[APP]) ? true : undefined;
    });
    expect(await appOf("kube-system")).toMatch(/^fks-kube-system-[a-z2-7]{16}$/);
    expect(await appOf("default")).toMatch(/^fks-default-[a-z2-7]{16}$/);
    expect(await fly.appNames()).not.toContain(await appOf("kube-system"));
  });

  test("one that is deleted with Pods in it takes Machines and App with it, and does not hang", async () => {
    await cluster.apply(namespaceOf("shop"));
    const app = await appOf("shop");
    await cluster.apply(podOf("web", { namespace: "shop" }), podOf("db", { namespace: "shop" }));
    await running("web", "shop");
    await running("db", "shop");
    expect(await fly.appNames()).toContain(app);

    await cluster.kubectl(["delete", "namespace", "shop", "--timeout=50s"]);
    expect(await fly.appNames()).not.toContain(app);

    // The same name again is another namespace, with another App.
    await cluster.apply(namespaceOf("shop"));
    const next = await appOf("shop");
    expect(next).not.toBe(app);
    await cluster.apply(podOf("web", { namespace: "shop" }));
    await running("web", "shop");
    await cluster.kubectl(["delete", "namespace", "shop", "--timeout=50s"]);
    expect(await fly.appNames()).not.toContain(next);
  });

  test("one that never had a Pod goes at once", async () => {
    await cluster.apply(namespaceOf("empty"));
    await appOf("empty");
    await cluster.kubectl(["delete", "namespace", "empty", "--timeout=20s"]);
  });

  test("a label adopts an App that is there, which stays when the namespace goes", async () => {
    await fly.apps.create("my-shop", forever);
    await cluster.apply(namespaceOf("mine", { [APP]: "my-shop" }));
    expect(await appOf("mine")).toBe("my-shop");
    await cluster.apply(podOf("web", { namespace: "mine" }));
    await running("web", "mine");
    const inApp = await fly.machines.list("my-shop", {}, forever);
    expect(inApp.map(({ name }) => name)).toEqual(["web"]);

    await cluster.kubectl(["delete", "namespace", "mine", "--timeout=50s"]);
    expect(await fly.machines.list("my-shop", {}, forever)).toEqual([]);
    expect(await fly.appNames()).toContain("my-shop");
  });

  test("another cluster's App is refused by its name, to the namespace and to its Pods", async () => {
    const theirs = "fks-shop-aaaaaaaaaaaaaaaa";
    await cluster.apply(namespaceOf("theirs", { [APP]: theirs }));
    await cluster.apply(podOf("web", { namespace: "theirs" }));
    const sentence = `label fly.io/app of namespace "theirs": App "${theirs}" belongs to another cluster`;
    await eventually("the refusal is told", async () => {
      const { stdout } = await cluster.tryKubectl(["get", "events", "-A", "-o", "json"]);
      const told: { items: { message: string; involvedObject: { kind: string } }[] } =
        JSON.parse(stdout);
      const kinds = told.items
        .filter(({ message }) => message.includes(sentence))
        .map(({ involvedObject }) => involvedObject.kind);
      return kinds.includes("Namespace") && kinds.includes("Pod") ? true : undefined;
    });
    expect(await fly.appNames()).not.toContain(theirs);
    await cluster.kubectl(["delete", "namespace", "theirs", "--timeout=50s"]);
  });

  test("kill -9 of the role in the middle of a deletion leaves nothing behind", async () => {
    await cluster.apply(namespaceOf("cut"));
    const app = await appOf("cut");
    await cluster.apply(podOf("web", { namespace: "cut" }));
    await running("web", "cut");
    await cluster.kubectl(["delete", "namespace", "cut", "--wait=false"]);
    const { pid = 0 } = await cluster.part("cloud-controller");
    process.kill(pid, "SIGKILL");

    await eventually("the namespace is gone", async () => {
      const { stderr } = await cluster.tryKubectl(["get", "namespace", "cut"]);
      return stderr.includes("NotFound") ? true : undefined;
    });
    expect(await fly.appNames()).not.toContain(app);
  });
});

import { describe, expect, test } from "bun:test";
import { podWorld } from "#test/fakes/pod-world.ts";
import { aPod, TOKEN_MOUNT, TOKEN_VOLUME } from "#test/fixtures/pod.ts";

const SETTINGS = aPod({
  metadata: { labels: { tier: "front" } },
  containers: [
    {
      env: [{ name: "COLOR", valueFrom: { configMapKeyRef: { name: "settings", key: "color" } } }],
      volumeMounts: [
        { name: "files", mountPath: "/files" },
        { name: "keys", mountPath: "/keys" },
        { name: "about", mountPath: "/about" },
      ],
    },
  ],
  volumes: [
    { name: "files", configMap: { name: "settings" } },
    { name: "keys", secret: { secretName: "keys" } },
    {
      name: "about",
      downwardAPI: { items: [{ path: "labels", fieldRef: { fieldPath: "metadata.labels" } }] },
    },
  ],
});

async function running(pod = SETTINGS) {
  const world = podWorld();
  world.cluster.setConfigMap("default/settings", { color: "blue" });
  world.cluster.setSecret("default/keys", { password: "s3cret-one" });
  world.start();
  world.cluster.create(pod);
  await world.pass(50, 12);
  const [machine] = world.world.all();
  const id = machine?.machine.id ?? "";
  const calls = (word: string) => world.world.calls.filter((call) => call.startsWith(word));
  const textsIn = (volume: string) =>
    (world.world.bundleOf(id)?.volumes[volume] ?? []).map(({ content }) => atob(content));
  const valueOf = (name: string) =>
    world.world.bundleOf(id)?.containers["c0"]?.env?.find((one) => one.name === name)?.value;
  return { ...world, id, calls, textsIn, valueOf };
}

describe("what a Pod's files and variables are made from", () => {
  test("reaches the Machine within a minute of its change, and nothing else is sent", async () => {
    const { cluster, calls, textsIn, valueOf, pass, stop } = await running();
    expect([textsIn("files"), textsIn("keys")]).toEqual([["blue"], ["s3cret-one"]]);

    cluster.setSecret("default/keys", { password: "s3cret-two" });
    await pass(10_000, 6);
    expect(textsIn("keys")).toEqual(["s3cret-two"]);
    expect(calls("writeFiles")).toHaveLength(1);
    expect(calls("deliver")).toHaveLength(1);

    // A variable waits for the container's next start, so it goes with the whole bundle.
    cluster.setConfigMap("default/settings", { color: "red" });
    await pass(10_000, 6);
    await stop();
    expect([textsIn("files"), valueOf("COLOR")]).toEqual([["red"], "red"]);
    expect(calls("deliver")).toHaveLength(2);
  });

  test("is left alone while nothing changes", async () => {
    const { cluster, calls, pass, stop } = await running();
    const written = cluster.written.length;
    await pass(10_000, 60);
    await stop();
    expect([...calls("deliver"), ...calls("writeFiles")]).toHaveLength(1);
    expect(cluster.written).toHaveLength(written);
  });

  test("is read once for all Pods that name it, and not more than thrice a minute", async () => {
    const { cluster, pass, stop } = await running();
    for (let i = 0; i < 20; i += 1) {
      cluster.create({
        ...SETTINGS,
        metadata: { ...SETTINGS.metadata, name: `p${i}`, uid: `u${i}` },
      });
      await pass(700);
    }
    const readBefore = cluster.reads.length;
    await pass(1_000, 600);
    await stop();
    const reads = cluster.reads.slice(readBefore).filter((one) => one === "secret default/keys");
    expect(reads.length).toBeGreaterThan(15);
    expect(reads.length).toBeLessThanOrEqual(31);
  });

  test("labels reach the files at once", async () => {
    const { cluster, textsIn, calls, pass, stop } = await running();
    cluster.change("default", "web", (pod) => ({
      ...pod,
      metadata: { ...pod.metadata, labels: { tier: "back" } },
    }));
    await pass(50, 3);
    await stop();
    expect(textsIn("about")).toEqual(['tier="back"']);
    expect(calls("writeFiles")).toHaveLength(1);
  });

  test("stays in the files when it is deleted, and an Event tells", async () => {
    const { cluster, textsIn, pass, stop } = await running();
    cluster.setSecret("default/keys", undefined);
    await pass(10_000, 7);
    await stop();
    expect(textsIn("keys")).toEqual(["s3cret-one"]);
    expect(cluster.told().map(({ message }) => message)).toContain(
      'MountVolume.SetUp failed for volume "keys" : secret "keys" not found',
    );
    expect(cluster.find("default", "web")?.status?.phase).toBe("Running");
  });

  test("is delivered again after a restart of ours, once", async () => {
    const { cluster, calls, textsIn, pass, stop, start } = await running();
    await stop();
    cluster.setSecret("default/keys", { password: "s3cret-two" });
    start();
    await pass(1_000, 61);
    expect(textsIn("keys")).toEqual(["s3cret-two"]);
    await pass(10_000, 30);
    await stop();
    expect(calls("deliver")).toHaveLength(2);
    expect(calls("writeFiles")).toEqual([]);
  });

  test("a Secret's text is in the bundle and nowhere else", async () => {
    const { cluster, world, log, pass, stop } = await running();
    cluster.setSecret("default/keys", { password: "s3cret-two" });
    await pass(10_000, 6);
    cluster.setSecret("default/keys", undefined);
    await pass(10_000, 7);
    await stop();
    const machines = world.all().map(({ machine, report }) => ({ machine, report }));
    const seen = JSON.stringify([machines, log.lines, cluster.told(), cluster.all(), world.calls]);
    expect(seen).not.toContain("s3cret");
    expect(seen).not.toContain(btoa("s3cret").slice(0, 8));
  });
});

describe("a container whose variables miss something", () => {
  const pod = aPod({
    containers: [{ envFrom: [{ secretRef: { name: "later" } }] }, {}],
  });

  test("waits and says why while the others run, and starts when it is there", async () => {
    const { cluster, pass, stop } = await running(pod);
    const statuses = () => cluster.find("default", "web")?.status?.containerStatuses;
    expect(statuses()).toMatchObject([
      {
        name: "c0",
        state: {
          waiting: { reason: "CreateContainerConfigError", message: 'secret "later" not found' },
        },
      },
      { name: "c1", state: { running: {} } },
    ]);

    cluster.setSecret("default/later", { A: "1" });
    await pass(1_000, 11);
    await stop();
    expect(statuses()).toMatchObject([{ state: { running: {} } }, { state: { running: {} } }]);
  });
});

describe("a volume that cannot be there", () => {
  test("is looked for with the kubelet's back-off", async () => {
    const pod = aPod({ volumes: [{ name: "v", secret: { secretName: "later" } }] });
    const { cluster, pass, stop } = await running(pod);
    const reads = () => cluster.reads.filter((one) => one === "secret default/later").length;
    await pass(100, 100);
    expect(reads()).toBeLessThanOrEqual(8);
    expect(cluster.find("default", "web")?.status).toMatchObject({
      phase: "Pending",
      containerStatuses: [{ state: { waiting: { reason: "ContainerCreating" } } }],
    });

    cluster.setSecret("default/later", { A: "1" });
    await pass(1_000, 20);
    await stop();
    expect(cluster.find("default", "web")?.status?.phase).toBe("Running");
  });
});

describe("a pull secret", () => {
  test("that is not there is named, and the Pod runs", async () => {
    const { cluster, stop } = await running(aPod({ imagePullSecrets: [{ name: "gone" }] }));
    await stop();
    expect(cluster.told()).toContainEqual(
      expect.objectContaining({ type: "Warning", reason: "FailedToRetrieveImagePullSecret" }),
    );
    expect(cluster.find("default", "web")?.status?.phase).toBe("Running");
  });
});

test("a token is asked for once, however often the Pod changes", async () => {
  const pod = aPod({ volumes: [TOKEN_VOLUME], containers: [{ volumeMounts: [TOKEN_MOUNT] }] });
  const { cluster, pass, stop } = await running(pod);
  for (let i = 0; i < 5; i += 1) {
    cluster.change("default", "web", (one) => ({
      ...one,
      metadata: { ...one.metadata, annotations: { turn: String(i) } },
    }));
    await pass(50, 3);
  }
  await stop();
  expect(cluster.tokens()).toBe(1);
});

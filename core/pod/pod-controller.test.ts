import { describe, expect, test } from "bun:test";
import { callBudget } from "#adapters/flaps/budget.ts";
import { podWorld } from "#test/fakes/pod-world.ts";
import { aPod, TOKEN_MOUNT, TOKEN_VOLUME } from "#test/fixtures/pod.ts";
import { aborted } from "../aborted.ts";
import { FksError } from "../errors.ts";
import type { MachineChange } from "../fly/machine-protocol.ts";
import type { Pod } from "../kube/pod.ts";
import type { Machines } from "../ports/machines.ts";
import type { PodControllerDeps } from "./pod-controller.ts";

async function running(pod = aPod(), options = {}) {
  const world = podWorld(options);
  world.start();
  world.cluster.create(pod);
  await world.pass(50, 12);
  const [machine] = world.world.all();
  return { ...world, machine, id: machine?.machine.id ?? "" };
}

describe("a Pod that runs", () => {
  test("is Running with its Machine's address after one status write", async () => {
    const { cluster, machine, stop } = await running();

    expect(cluster.written).toHaveLength(1);
    expect(cluster.find("default", "web")?.status).toMatchObject({
      phase: "Running",
      podIP: machine?.machine.private_ip,
      hostIP: "fdaa::10",
      containerStatuses: [{ name: "c0", ready: true, restartCount: 0 }],
    });
    await stop();
  });

  test("has its kubelet's events told once, and told once only after a restart", async () => {
    const world = await running();
    const reasons = () => world.cluster.told().map(({ reason }) => reason);
    const before = reasons();
    await world.stop();
    world.start();
    await world.pass(50, 12);
    await world.stop();

    expect(before).toEqual(expect.arrayContaining(["Pulled", "Created", "Started"]));
    expect(reasons()).toEqual(before);
  });

  test("survives our restart: no create, no destroy, no status write", async () => {
    const { cluster, world, pass, stop, start } = await running();
    await stop();
    const calls = world.calls.length;
    start();
    await pass(50, 4);
    await stop();

    expect(cluster.written).toHaveLength(1);
    expect(
      world.calls.slice(calls).filter((call) => /^(create |destroy|stop|deliver)/.test(call)),
    ).toEqual([]);
  });
});

test("Pods that wait for the call budget keep nobody who runs from being seen", async () => {
  const created: number[] = [];
  const wrap = (deps: PodControllerDeps): PodControllerDeps => {
    const budget = callBudget({ clock: deps.clock, enabled: true });
    const machines: Machines = {
      ...deps.machines,
      async create(app, request, signal) {
        await budget.take({ action: "create", id: app }, signal);
        created.push(deps.clock.now());
        return deps.machines.create(app, request, signal);
      },
    };
    return { ...deps, machines, launchRoom: { perNamespace: 6, total: 24 } };
  };
  const { cluster, start, pass, stop, log } = podWorld({ wrap });
  const names = Array.from({ length: 60 }, (_, n) => `web-${n}`);
  for (const name of names) {
    cluster.create(aPod({ metadata: { name, namespace: "default", uid: `uid-${name}` } }));
  }
  const runningCount = (): number =>
    names.filter((name) => cluster.find("default", name)?.status?.phase === "Running").length;
  start();

  await pass(500, 40);
  expect(created.length).toBeGreaterThan(20);
  expect(runningCount()).toBeGreaterThanOrEqual(created.length - 1);
  await pass(500, 80);
  expect(runningCount()).toBe(60);
  expect(log.lines).not.toContainEqual(expect.objectContaining({ msg: "reconcile failed" }));
  await stop();
});

describe("deletion", () => {
  test("stops the Machine, destroys it, and removes the Pod last", async () => {
    const { cluster, world, pass, stop } = await running(aPod(), { stepMs: 10 });
    const calls = world.calls.length;
    cluster.delete("default", "web");
    await pass(10, 8);
    await stop();

    expect(cluster.all()).toEqual([]);
    expect(world.all()).toEqual([]);
    expect(cluster.written.at(-1)?.status).toMatchObject({
      phase: "Failed",
      containerStatuses: [{ state: { terminated: { exitCode: 143 } } }],
    });
    const verbs = world.calls.slice(calls).map((call) => call.split(" ")[0]);
    expect(verbs.filter((verb) => verb === "stop")).toHaveLength(1);
    expect(verbs.indexOf("stop")).toBeLessThan(verbs.indexOf("destroy"));
  });

  test("a Pod deleted by force takes its Machine with it at once", async () => {
    const { cluster, world, pass, stop } = await running();
    cluster.delete("default", "web", 0);
    await pass(10, 3);
    await stop();

    expect(world.all()).toEqual([]);
  });

  test("nothing is destroyed when another control plane answers", async () => {
    const { cluster, world, pass, stop, log } = await running();
    cluster.become("cluster-2");
    cluster.delete("default", "web", 0);
    await pass(60_000, 5);
    await stop();

    expect(world.all()).toHaveLength(1);
    expect(log.lines.map(([line]) => line)).toContain(
      "another control plane answers: nothing is destroyed",
    );
  });

  test("a shortened grace period is passed on", async () => {
    const world = podWorld({
      wrap: (deps) => ({
        ...deps,
        machines: {
          ...deps.machines,
          stop: async (_app, _id, { timeoutSeconds }) => void timeouts.push(timeoutSeconds),
        },
      }),
    });
    const timeouts: number[] = [];
    world.start();
    world.cluster.create(aPod());
    await world.pass(50, 4);
    world.cluster.delete("default", "web", 30);
    await world.pass(50);
    world.cluster.delete("default", "web", 5);
    await world.pass(50);
    await world.pass(8_000);
    await world.stop();

    expect(timeouts).toEqual([30, 5]);
    expect(world.world.all()).toEqual([]);
  });
});

describe("a Machine destroyed behind our back", () => {
  test("is replaced under Always; the restart count goes on", async () => {
    const { cluster, world, pass, stop, id } = await running();
    world.destroy(id);
    await pass(50, 4);
    await stop();

    const status = cluster.find("default", "web")?.status;
    expect(world.all()).toHaveLength(1);
    expect(status).toMatchObject({
      phase: "Running",
      containerStatuses: [
        {
          restartCount: 1,
          state: { running: {} },
          lastState: { terminated: { exitCode: 137, reason: "ContainerStatusUnknown" } },
        },
      ],
    });
    expect(new Set(cluster.written.map((one) => one.status.phase))).toEqual(new Set(["Running"]));
  });

  test("fails a Pod that is never restarted", async () => {
    const { cluster, world, pass, stop, id } = await running(aPod({ restartPolicy: "Never" }));
    world.destroy(id);
    await pass(50, 4);
    await stop();

    expect(world.all()).toEqual([]);
    expect(cluster.find("default", "web")?.status).toMatchObject({
      phase: "Failed",
      containerStatuses: [{ state: { terminated: { exitCode: 137 } } }],
    });
  });
});

test("a Machine that the stream leaves out is asked for before it counts as lost", async () => {
  let isBlind = false;
  const world = podWorld({
    wrap: (deps) =>
      isBlind && deps.protocol !== undefined
        ? { ...deps, protocol: { ...deps.protocol, watch: nothingSeen } }
        : deps,
  });
  world.start();
  world.cluster.create(aPod({ restartPolicy: "Never" }));
  await world.pass(50, 4);
  await world.stop();
  isBlind = true;
  world.start();
  await world.pass(50, 4);
  await world.stop();

  expect(world.cluster.find("default", "web")?.status?.phase).toBe("Running");
  expect(world.world.all()).toHaveLength(1);
});

function deaf(): Promise<never> {
  return Promise.reject(new FksError("Unavailable", "no answer"));
}

async function* nothingSeen(signal: AbortSignal): AsyncGenerator<MachineChange> {
  yield { type: "synced" };
  await aborted(signal);
}

test("while the Machines API cannot be asked, nothing happens to a Pod", async () => {
  let isDown = false;
  const world = podWorld({
    wrap: (deps) => {
      if (!isDown || deps.protocol === undefined) return deps;
      const machines = { ...deps.machines, list: deaf, get: deaf, create: deaf, destroy: deaf };
      return { ...deps, machines, protocol: { ...deps.protocol, watch: nothingSeen } };
    },
  });
  world.start();
  world.cluster.create(aPod({ restartPolicy: "Never" }));
  await world.pass(50, 4);
  await world.stop();
  isDown = true;
  world.start();
  await world.pass(60_000, 3);
  await world.stop();

  expect(world.cluster.written).toHaveLength(1);
  expect(world.world.all()).toHaveLength(1);
});

describe("ends", () => {
  test("a Job's Pod succeeds and keeps its Machine, for its logs, until it is deleted", async () => {
    const { cluster, world, pass, stop, id } = await running(aPod({ restartPolicy: "Never" }));
    world.endContainer(id, "c0", { exitCode: 0 });
    world.setState(id, "stopped");
    await pass(50, 4);
    expect(cluster.find("default", "web")?.status?.phase).toBe("Succeeded");
    expect(world.all()).toHaveLength(1);

    cluster.delete("default", "web");
    await pass(50, 4);
    await stop();
    expect(world.all()).toEqual([]);
    expect(cluster.all()).toEqual([]);
  });

  test("a Pod past its deadline is stopped and Failed", async () => {
    const pod = aPod({ activeDeadlineSeconds: 60 });
    const { cluster, world, pass, stop } = await running(pod);
    await pass(59_000);
    expect(cluster.find("default", "web")?.status?.phase).toBe("Running");
    await pass(2_000, 3);
    await stop();

    expect(cluster.find("default", "web")?.status).toMatchObject({
      phase: "Failed",
      reason: "DeadlineExceeded",
    });
    expect(world.all().map(({ machine }) => machine.state)).toEqual(["stopped"]);
    expect(cluster.told().map(({ reason }) => reason)).toContain("DeadlineExceeded");
  });
});

describe("a container added to a running Pod", () => {
  const ephemeralContainers = [{ name: "debugger", image: "busybox", targetContainerName: "c0" }];
  const debugged = (found: Pod): Pod => ({
    ...found,
    spec: { ...found.spec, ephemeralContainers },
  });

  test("joins the Machine once, and its status tells of it", async () => {
    const { cluster, world, pass, stop } = await running(aPod());
    cluster.change("default", "web", debugged);
    await pass(50, 12);
    await stop();

    expect(cluster.find("default", "web")?.status).toMatchObject({
      phase: "Running",
      containerStatuses: [{ name: "c0", state: { running: {} } }],
      ephemeralContainerStatuses: [{ name: "debugger", ready: false, state: { running: {} } }],
    });
    expect(world.calls.filter((call) => call.startsWith("addContainer"))).toHaveLength(1);
    const { fieldPath } = cluster.told().findLast(({ reason }) => reason === "Started") ?? {};
    expect(fieldPath).toBe("spec.ephemeralContainers{debugger}");
  });

  test("is not run again in another Machine", async () => {
    const { cluster, world, id, pass, stop } = await running(aPod());
    cluster.change("default", "web", debugged);
    await pass(50, 12);
    world.destroy(id);
    await pass(1_000, 12);
    await stop();

    expect(cluster.told().map(({ reason }) => reason)).toContain("SandboxChanged");
    expect(world.calls.filter((call) => call.startsWith("addContainer"))).toHaveLength(1);
    expect(cluster.find("default", "web")?.status).toMatchObject({
      containerStatuses: [{ state: { running: {} }, restartCount: 1 }],
      ephemeralContainerStatuses: [{ state: { terminated: { exitCode: 137 } } }],
    });
  });

  test("is named by an Event where only the public API is there", async () => {
    const { cluster, pass, stop } = await running(aPod(), { hasProtocol: false });
    cluster.change("default", "web", debugged);
    await pass(50, 12);
    await stop();

    expect(cluster.told().map(({ reason }) => reason)).toContain("EphemeralContainersNotCarried");
  });
});

describe("a Pod that cannot be carried", () => {
  test("stays Pending, says why once, and goes when it is deleted", async () => {
    const { cluster, world, pass, stop } = await running(
      aPod({
        volumes: [{ name: "host", hostPath: { path: "/" } }],
        containers: [{ restartPolicyRules: [{ action: "All" }] }],
      }),
    );
    expect(world.all()).toEqual([]);
    expect(cluster.find("default", "web")?.status).toMatchObject({
      phase: "Pending",
      containerStatuses: [{ state: { waiting: { reason: "CreateContainerConfigError" } } }],
    });
    const events = cluster.told();
    expect(events).toHaveLength(1);
    expect(events[0]?.message).toContain("spec.volumes[0].hostPath");
    expect(events[0]?.message).toContain("spec.containers[0].restartPolicyRules[0].action");

    cluster.delete("default", "web");
    await pass(50, 3);
    await stop();
    expect(cluster.all()).toEqual([]);
  });
});

test("a Pod whose namespace names an App it cannot have stays Pending, says why, and can be deleted", async () => {
  const world = podWorld();
  world.cluster.namespaces.label("default", { "fly.io/app": "fks-shop-aaaaaaaaaaaaaaaa" });
  world.start();
  world.cluster.create(aPod());
  await world.pass(50, 12);
  expect(world.cluster.told().map(({ message }) => message)).toContainEqual(
    expect.stringContaining("belongs to another cluster"),
  );

  world.cluster.delete("default", "web", 1);
  await world.pass(1_000, 90);
  await world.stop();
  expect(world.cluster.all()).toEqual([]);
  expect(world.world.calls.filter((call) => call.startsWith("create"))).toEqual([]);
});

describe("a Pod that no kubelet would run", () => {
  test("fails at once with the kubelet's reason, and gets no Machine", async () => {
    const sysctls = [{ name: "kernel.msgmax", value: "65536" }];
    const { cluster, world, stop } = await running(aPod({ securityContext: { sysctls } }));
    await stop();
    expect(world.all()).toEqual([]);
    expect(cluster.find("default", "web")?.status).toMatchObject({
      phase: "Failed",
      reason: "SysctlForbidden",
      message: 'Pod was rejected: forbidden sysctl: "kernel.msgmax" not allowlisted',
    });
    expect(cluster.told().map(({ reason, message }) => [reason, message])).toEqual([
      ["SysctlForbidden", 'forbidden sysctl: "kernel.msgmax" not allowlisted'],
    ]);
  });
});

describe("the token volume", () => {
  const pod = aPod({ volumes: [TOKEN_VOLUME], containers: [{ volumeMounts: [TOKEN_MOUNT] }] });

  test("reaches the Machine by the bundle only", async () => {
    const { world, machine, id, stop } = await running(pod);
    await stop();

    const files = world.bundleOf(id)?.volumes[TOKEN_VOLUME.name] ?? [];
    expect(files.map(({ path, mode }) => [path, mode])).toEqual([
      ["token", 0o644],
      ["ca.crt", 0o644],
      ["namespace", 0o644],
    ]);
    expect(atob(files[0]?.content ?? "")).toBe("s3cret-token-1");
    expect(JSON.stringify(machine?.machine.config)).not.toContain("s3cret");
  });

  test("gets a new token at four fifths of its life", async () => {
    const { world, id, pass, stop } = await running(pod);
    await pass(2_870_000);
    expect(world.calls.some((call) => call.startsWith("writeFiles"))).toBe(false);
    await pass(16_000, 2);
    await stop();

    const [token] = world.bundleOf(id)?.volumes[TOKEN_VOLUME.name] ?? [];
    expect(atob(token?.content ?? "")).toBe("s3cret-token-2");
  });

  test("waits for the cluster's certificates, and says so", async () => {
    const world = podWorld();
    world.cluster.setConfigMap("default/kube-root-ca.crt", undefined);
    world.start();
    world.cluster.create(pod);
    await world.pass(1_000, 3);
    expect(world.cluster.find("default", "web")?.status?.phase).toBe("Pending");
    expect(world.cluster.told().map(({ reason }) => reason)).toContain("FailedMount");

    world.cluster.setConfigMap("default/kube-root-ca.crt", { "ca.crt": "C" });
    await world.pass(1_000, 3);
    await world.stop();
    expect(world.cluster.find("default", "web")?.status?.phase).toBe("Running");
  });

  test("is delivered again when the host lost it", async () => {
    const { world, id, pass, stop } = await running(pod);
    await pass(10_000);
    world.loseBundle(id);
    await pass(50, 2);
    await stop();

    expect(world.bundleOf(id)).toBeDefined();
  });
});

test("without the Machine protocol a Pod runs too, by what the public API tells", async () => {
  const { cluster, world, pass, stop } = await running(aPod(), { hasProtocol: false });
  await pass(10_000, 2);
  expect(cluster.find("default", "web")?.status?.phase).toBe("Running");
  expect(world.all()[0]?.machine.config?.containers?.[0]?.env).toMatchObject({
    KUBERNETES_SERVICE_HOST: "fdaa::1",
  });

  cluster.delete("default", "web");
  await pass(10_000, 3);
  await stop();
  expect(cluster.all()).toEqual([]);
  expect(world.all()).toEqual([]);
});

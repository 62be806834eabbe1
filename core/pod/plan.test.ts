import { describe, expect, test } from "bun:test";
import { aPod } from "#test/fixtures/pod.ts";
import type { MachineState } from "../fly/machine.ts";
import type { ContainerState, MachineReport } from "../fly/machine-protocol.ts";
import type { Pod } from "../kube/pod.ts";
import type { Sighting } from "./machine-view.ts";
import { endingOf, planFor, type World } from "./plan.ts";

const NOW_MS = Date.parse("2026-11-24T08:00:00Z");
const RUNNING = { running: { startedAt: "2026-11-24T07:00:00Z" } };
const ENDED = {
  terminated: {
    exitCode: 0,
    reason: "Completed",
    startedAt: "2026-11-24T07:00:00Z",
    finishedAt: "2026-11-24T07:30:00Z",
    containerID: "fks://1",
  },
};

function sighting(
  state: MachineState,
  container: ContainerState = RUNNING,
  report: Partial<MachineReport> = {},
): Sighting {
  return {
    app: "app",
    machine: {
      id: "m1",
      name: "web",
      state,
      region: "local-a",
      instance_id: "01J",
      private_ip: "fdaa::2",
      created_at: "2026-11-24T07:00:00Z",
      updated_at: "2026-11-24T07:00:00Z",
      events: [],
      host_status: "ok",
    },
    report: {
      revision: 1,
      containers: [
        {
          name: "c0",
          image: "nginx",
          imageID: "",
          containerID: container.waiting === undefined ? "fks://1" : "",
          restartCount: 0,
          state: container,
          started: true,
          ready: true,
        },
      ],
      events: [],
      ...report,
    },
  };
}

function world(change: Partial<World>): World {
  return {
    pod: aPod(),
    machine: undefined,
    isProvenAbsent: false,
    admission: {},
    translation: () => ({ ok: true, config: {}, approximated: [] }),
    deliveredAtMs: undefined,
    stop: undefined,
    refreshAtMs: undefined,
    nowMs: NOW_MS,
    ...change,
  };
}

function deleted(inSeconds: number, graceSeconds = 30): Pod {
  const at = new Date(NOW_MS + inSeconds * 1000).toISOString();
  return aPod({ metadata: { deletionTimestamp: at, deletionGracePeriodSeconds: graceSeconds } });
}

const hasRun: Pod = {
  ...aPod(),
  status: { phase: "Running", podIP: "fdaa::2" },
};

describe("a Pod without a Machine", () => {
  test("is launched when it never had one", () => {
    expect(planFor(world({}))).toMatchObject({ do: "launch" });
  });

  test("is not launched again before the Machines API says that its Machine is gone", () => {
    expect(planFor(world({ pod: hasRun }))).toEqual({ do: "prove" });
    expect(planFor(world({ pod: hasRun, isProvenAbsent: true }))).toMatchObject({ do: "launch" });
  });

  test("is removed only when the absence is proven", () => {
    expect(planFor(world({ pod: deleted(10) }))).toEqual({ do: "prove" });
    expect(planFor(world({ pod: deleted(10), isProvenAbsent: true }))).toEqual({ do: "remove" });
  });

  test("gets none when its phase is terminal", () => {
    const pod: Pod = { ...aPod(), status: { phase: "Failed" } };
    expect(planFor(world({ pod, isProvenAbsent: true }))).toEqual({ do: "nothing" });
  });
});

describe("deletion", () => {
  test("asks to stop within what is left of the grace period", () => {
    const pod = deleted(20);
    const byMs = NOW_MS + 20_000;
    expect(planFor(world({ pod, machine: sighting("started") }))).toMatchObject({
      do: "stop",
      stop: { askedByMs: byMs, untilMs: byMs },
    });
  });

  test("waits while the containers have time, then destroys what still runs", () => {
    const pod = deleted(20);
    const stop = { askedByMs: NOW_MS + 20_000, untilMs: NOW_MS + 20_000 };
    const machine = sighting("stopping");
    expect(planFor(world({ pod, machine, stop }))).toMatchObject({ do: "nothing" });
    expect(planFor(world({ pod, machine, stop, nowMs: NOW_MS + 22_000 }))).toMatchObject({
      do: "destroy",
    });
  });

  test("gives a Machine that nobody asked yet its whole time, however late we are", () => {
    expect(planFor(world({ pod: deleted(-3600), machine: sighting("started") }))).toMatchObject({
      do: "stop",
      stop: { untilMs: NOW_MS + 30_000 },
    });
  });

  test("destroys at once what was stopped, never started, or is forced", () => {
    const waiting = sighting(
      "started",
      { waiting: { reason: "ContainerCreating" } },
      { awaits: "bundle" },
    );
    for (const machine of [sighting("stopped", ENDED), waiting]) {
      expect(planFor(world({ pod: deleted(20), machine }))).toMatchObject({ do: "destroy" });
    }
    const forced = deleted(0, 0);
    expect(planFor(world({ pod: forced, machine: sighting("started") }))).toMatchObject({
      do: "destroy",
    });
  });

  test("a Machine whose bundle is on its way is stopped, not destroyed", () => {
    const machine = sighting(
      "started",
      { waiting: { reason: "ContainerCreating" } },
      { awaits: "bundle" },
    );
    expect(planFor(world({ pod: deleted(20), machine, deliveredAtMs: NOW_MS - 5 }))).toMatchObject({
      do: "stop",
    });
  });
});

describe("a Machine that stopped", () => {
  test("is started again under Always, left alone when it ended for good", () => {
    const machine = sighting("stopped", ENDED);
    expect(planFor(world({ machine }))).toMatchObject({ do: "start" });
    expect(planFor(world({ machine, pod: aPod({ restartPolicy: "Never" }) }))).toEqual({
      do: "nothing",
    });
    expect(planFor(world({ machine, pod: aPod({ restartPolicy: "OnFailure" }) }))).toEqual({
      do: "nothing",
    });
  });

  test("is not started again after its Pod's deadline", () => {
    const pod = aPod({ activeDeadlineSeconds: 60 });
    const machine = sighting("stopped", ENDED);
    expect(planFor(world({ machine, pod }))).toEqual({ do: "nothing" });
    expect(endingOf(world({ machine, pod }))).toMatchObject({ reason: "DeadlineExceeded" });
  });
});

function told(states: Readonly<Record<string, ContainerState>>): Partial<MachineReport> {
  const [container] = sighting("stopped").report?.containers ?? [];
  if (container === undefined) throw new Error("no container to copy");
  return {
    containers: Object.entries(states).map(([name, state]) => ({ ...container, name, state })),
  };
}

const rules = (operator: "In" | "NotIn") => ({
  restartPolicy: "Never",
  restartPolicyRules: [{ action: "Restart", exitCodes: { operator, values: [1, 42] } }],
});

describe("init containers and sidecars", () => {
  const early = [
    { name: "init", image: "i" },
    { name: "sidecar", image: "i", restartPolicy: "Always" },
  ];
  const failed = { terminated: { ...ENDED.terminated, exitCode: 1 } };

  test("a Machine whose sidecar was stopped last is not started again for it", () => {
    const pod = aPod({ restartPolicy: "OnFailure", initContainers: early });
    const states = told({ init: ENDED, sidecar: failed, c0: ENDED });
    expect(planFor(world({ pod, machine: sighting("stopped", ENDED, states) }))).toEqual({
      do: "nothing",
    });
  });

  test("an init container that failed is tried again, unless the Pod is never restarted", () => {
    const states = told({ init: failed, c0: { waiting: { reason: "PodInitializing" } } });
    const machine = sighting("stopped", ENDED, states);
    const plan = (restartPolicy: "Always" | "OnFailure" | "Never") =>
      planFor(world({ machine, pod: aPod({ restartPolicy, initContainers: early }) }));
    expect(plan("Always")).toMatchObject({ do: "start" });
    expect(plan("OnFailure")).toMatchObject({ do: "start" });
    expect(plan("Never")).toEqual({ do: "nothing" });
  });

  test("rules on exit codes decide over another start", () => {
    const machine = sighting("stopped", failed);
    const plan = (operator: "In" | "NotIn") =>
      planFor(world({ machine, pod: aPod({ containers: [rules(operator)] }) }));
    expect(plan("In")).toMatchObject({ do: "start" });
    expect(plan("NotIn")).toEqual({ do: "nothing" });
  });
});

describe("a Machine that ended its containers by itself", () => {
  const ended = { reason: "Evicted", message: "The Pod used too much disk." };

  test("is not started again, and its Pod has failed in its words", () => {
    const machine = sighting("stopped", ENDED, { ended });
    expect(planFor(world({ machine }))).toEqual({ do: "nothing" });
    expect(endingOf(world({ machine }))).toEqual({ why: "failed", ...ended });
  });

  test("is waited for while it still runs", () => {
    const machine = sighting("stopping", RUNNING, { ended });
    expect(endingOf(world({ machine }))).toBeUndefined();
  });
});

describe("a Machine that runs", () => {
  test("gets its bundle whenever it asks, but not twice in a row", () => {
    const machine = sighting("started", RUNNING, { awaits: "bundle" });
    expect(planFor(world({ machine }))).toMatchObject({ do: "deliver" });
    expect(planFor(world({ machine, deliveredAtMs: NOW_MS - 1_000 }))).toMatchObject({
      do: "nothing",
      recheckInMs: 4_000,
    });
    expect(planFor(world({ machine, deliveredAtMs: NOW_MS - 6_000 }))).toMatchObject({
      do: "deliver",
    });
  });

  test("is stopped at its Pod's deadline, looked at again then, and not before", () => {
    const pod = aPod({ activeDeadlineSeconds: 3_700 });
    const machine = sighting("started");
    expect(planFor(world({ machine, pod }))).toEqual({ do: "nothing", recheckInMs: 100_000 });
    expect(planFor(world({ machine, pod, nowMs: NOW_MS + 100_000 }))).toMatchObject({ do: "stop" });
  });

  test("gets new tokens in time", () => {
    const machine = sighting("started");
    expect(planFor(world({ machine, refreshAtMs: NOW_MS }))).toMatchObject({ do: "refresh" });
  });
});

test("a Machine that failed is replaced after ten seconds", () => {
  const machine = sighting("failed");
  expect(planFor(world({ machine, nowMs: Date.parse("2026-11-24T07:00:09Z") }))).toEqual({
    do: "nothing",
    recheckInMs: 1_000,
  });
  expect(planFor(world({ machine }))).toMatchObject({ do: "destroy", isFailed: true });
});

describe("a Node that takes no new Pods", () => {
  const rejection = { reason: "Evicted", message: "The node had condition: [DiskPressure]. " };

  test("is asked before anything is launched", () => {
    expect(planFor(world({ admission: undefined }))).toEqual({ do: "ask-node" });
  });

  test("refuses what is new, and brings back what has run on it", () => {
    const admission = { rejection };
    expect(planFor(world({ admission }))).toEqual({ do: "reject", rejection });
    const pod = { ...aPod(), status: { podIP: "fdaa::2" } };
    expect(planFor(world({ pod, isProvenAbsent: true, admission })).do).toBe("launch");
  });
});

import { expect, test } from "bun:test";
import type { ContainerConfig, MachineConfig } from "#core/fly/machine.ts";
import { containerExited, containerStarted, containerStarting } from "./container-life.ts";
import {
  configReplaced,
  destroyAsked,
  restartAsked,
  startAsked,
  stopAsked,
} from "./machine-life.ts";
import type { MachineRecord } from "./record.ts";
import { settled } from "./settled.ts";
import { at, container, POD, POD_METADATA, startedMachine } from "./testing/records.ts";

function up(record: MachineRecord, name = "app", nowMs = 1): MachineRecord {
  return settled(containerStarted(containerStarting(record, name, nowMs), name, nowMs), at(nowMs));
}

function down(record: MachineRecord, exitCode = 0, name = "app", nowMs = 2): MachineRecord {
  return settled(
    containerExited(record, name, { exitCode, oomKilled: false, atMs: nowMs }),
    at(nowMs),
  );
}

const eventsOf = (record: MachineRecord): readonly string[] =>
  record.events.map(({ type, status, source }) => `${type}/${status}/${source}`);

function pod(...containers: readonly ContainerConfig[]): MachineConfig {
  return { metadata: POD_METADATA, containers };
}

test("a Pod's Machine is started with its network, a plain one with its process", () => {
  expect(startedMachine(POD).state).toBe("started");
  expect(startedMachine({ image: "web:1" }).state).toBe("starting");
  expect(up(startedMachine({ image: "web:1" })).state).toBe("started");
});

test("create, stop, start, destroy leave Fly's events, newest first", () => {
  const running = up(startedMachine({ image: "web:1" }));
  expect(eventsOf(running)).toEqual([
    "start/started/flyd",
    "launch/created/user",
    "launch/pending/flyd",
  ]);

  const stopped = down(stopAsked(running, {}, at(2)), 143);
  expect(eventsOf(stopped).slice(0, 2)).toEqual(["exit/stopped/flyd", "stop/stopping/user"]);
  expect(stopped.events[0]?.request?.exit_event).toMatchObject({
    exit_code: 143,
    requested_stop: true,
  });
  expect(eventsOf(startAsked(stopped, at(3)))[0]).toBe("start/starting/user");
});

test("a Machine is stopped once all its containers ended for good", () => {
  const two = startedMachine(
    pod(
      { name: "a", image: "x", restart: { policy: "no" } },
      { name: "b", image: "x", restart: { policy: "no" } },
    ),
  );
  const one = down(up(up(two, "a"), "b"), 1, "a");
  expect(one.state).toBe("started");
  const both = down(one, 0, "b");

  expect(both.state).toBe("stopped");
  expect(both.events[0]?.request?.exit_event).toMatchObject({
    exit_code: 1,
    requested_stop: false,
  });
});

test("what waits for a success that will never come has ended too", () => {
  const record = startedMachine(
    pod(
      { name: "init", image: "x", restart: { policy: "no" } },
      {
        name: "app",
        image: "x",
        depends_on: [{ name: "init", condition: "exited_successfully" }],
      },
    ),
  );
  expect(container(record).shown.waiting?.reason).toBe("PodInitializing");

  expect(down(up(record, "init"), 0, "init").state).toBe("started");
  expect(down(up(record, "init"), 1, "init").state).toBe("stopped");
});

test("a plain Machine whose process crashes starts again by itself, and the events say so", () => {
  const crashed = down(up(startedMachine({ image: "web:1" })), 1);
  expect(crashed.state).toBe("starting");
  expect(crashed.events[0]?.request?.exit_event).toMatchObject({ restarting: true });

  expect(up(crashed, "app", 3).state).toBe("started");
});

test("auto_destroy takes a Machine away once its process ended", () => {
  const config: MachineConfig = { image: "x", auto_destroy: true, restart: { policy: "no" } };

  expect(down(up(startedMachine(config))).state).toBe("destroying");
});

test("an update gives a new version and starts what ran; what rested goes on resting", () => {
  const running = up(startedMachine({ image: "web:1" }));
  const wanted = { config: { image: "web:2" }, launch: true };
  const replacing = configReplaced(running, wanted, at(2));
  expect(replacing.state).toBe("replacing");
  expect(replacing.instanceId).not.toBe(running.instanceId);
  const replaced = down(replacing, 143);
  expect(replaced.state).toBe("starting");
  expect(container(replaced)).toMatchObject({ image: "web:2", phase: "pending" });

  const stopped = down(stopAsked(running, {}, at(2)), 143);
  expect(configReplaced(stopped, wanted, at(3)).state).toBe("stopped");
  const unlaunched = configReplaced(running, { ...wanted, launch: false }, at(2));
  expect(down(unlaunched, 143).state).toBe("stopped");
});

test("a restart keeps attempts and counts going", () => {
  const restarted = down(restartAsked(up(startedMachine(POD)), {}, at(2)), 143);
  expect(restarted.state).toBe("started");
  const again = up(restarted, "app", 3);

  expect(container(again)).toMatchObject({ attempt: 1, restartCount: 1, phase: "running" });
  expect(container(again).lastState?.terminated).toMatchObject({ exitCode: 143 });
});

test("a stop that is asked again can only become quicker", () => {
  const running = up(startedMachine(POD));
  const slow = stopAsked(running, { timeoutMs: 30_000 }, at(10));
  expect(stopAsked(slow, { timeoutMs: 60_000 }, at(20)).stopping?.timeoutMs).toBe(30_000);
  expect(stopAsked(slow, { timeoutMs: 1_000 }, at(20)).stopping?.timeoutMs).toBe(1_010);
});

test("a container in back-off that is stopped shows how it last ended", () => {
  const crashing = down(up(down(up(startedMachine(POD)), 1), "app", 3), 7, "app", 4);
  expect(container(crashing).shown.waiting?.reason).toBe("CrashLoopBackOff");
  const stopped = settled(stopAsked(crashing, {}, at(5)), at(5));

  expect(stopped.state).toBe("stopped");
  expect(container(stopped).shown.terminated).toMatchObject({ exitCode: 7 });
});

test("from destroying there is no way back", () => {
  const destroying = destroyAsked(up(startedMachine(POD)), at(2));

  expect(startAsked(destroying, at(3)).state).toBe("destroying");
  expect(down(destroying, 137).state).toBe("destroying");
  expect(destroyAsked(destroying, at(3))).toBe(destroying);
});

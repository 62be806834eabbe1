import { expect, test } from "bun:test";
import { containerBacksOff, containerFailed, containerNotRunnable } from "./container-failures.ts";
import { containerStarting } from "./container-life.ts";
import type { MachineRecord } from "./record.ts";
import { container, POD, startedMachine } from "./testing/records.ts";

const reasonsOf = (record: MachineRecord): readonly string[] =>
  record.containerEvents.map(({ reason }) => reason);

test("an image that cannot be pulled is ErrImagePull, then ImagePullBackOff, longer each time", () => {
  const failure = { reason: "ErrImagePull", message: "no such host", isWorthRetrying: true };
  const failed = containerFailed(startedMachine(POD), "app", failure, 0);
  expect(container(failed).shown.waiting).toEqual({
    reason: "ErrImagePull",
    message: "no such host",
  });
  expect(container(failed)).toMatchObject({ notBeforeMs: 10_000, next: { atMs: 1_000 } });

  const waiting = containerBacksOff(failed, "app", 1_000);
  expect(container(waiting).shown.waiting).toEqual({
    reason: "ImagePullBackOff",
    message: 'Back-off pulling image "web:1": ErrImagePull: no such host',
  });
  expect(waiting.containerEvents.map(({ reason, message }) => `${reason}: ${message}`)).toEqual([
    'Failed: Failed to pull image "web:1": no such host',
    "Failed: Error: ErrImagePull",
    'BackOff: Back-off pulling image "web:1"',
    "Failed: Error: ImagePullBackOff",
  ]);
  expect(container(containerFailed(waiting, "app", failure, 10_000)).notBeforeMs).toBe(30_000);
});

test("an image of a volume is named as such, also while its pull is backed off", () => {
  const failure = {
    reason: "ErrImagePull",
    message: "denied",
    image: "model:2",
    isWorthRetrying: true,
  };
  const waiting = containerBacksOff(
    containerFailed(startedMachine(POD), "app", failure, 0),
    "app",
    1_000,
  );

  expect(container(waiting).shown.waiting?.message).toStartWith('Back-off pulling image "model:2"');
  expect(waiting.containerEvents.map(({ message }) => message)).toEqual([
    'Failed to pull image "model:2": denied',
    "Error: ErrImagePull",
    'Back-off pulling image "model:2"',
    "Error: ImagePullBackOff",
  ]);
});

test.each([
  ["ErrImageNeverPull", ["ErrImageNeverPull: words", "Failed: Error: ErrImageNeverPull"]],
  ["InvalidImageName", ["InspectFailed: words", "Failed: Error: InvalidImageName"]],
  ["CreateContainerError", ["Failed: Error: words"]],
  ["CreateContainerConfigError", ["Failed: Error: words"]],
])("%s gives the kubelet's events", (reason, events) => {
  const failure = { reason, message: "words", isWorthRetrying: true };
  const { containerEvents } = containerFailed(startedMachine(POD), "app", failure, 0);

  expect(containerEvents.map(({ reason: told, message }) => `${told}: ${message}`)).toEqual(events);
});

test("a name that is none is not tried again", () => {
  const failure = { reason: "InvalidImageName", message: "bad", isWorthRetrying: false };

  expect(container(containerFailed(startedMachine(POD), "app", failure, 0)).phase).toBe("refused");
});

test("a program that cannot be started has ended with 128 and is tried as a crash is", () => {
  const starting = containerStarting(startedMachine(POD), "app", 0);
  const first = containerNotRunnable(starting, "app", "exec: no such file", 1);
  expect(container(first).shown.terminated).toMatchObject({ exitCode: 128, reason: "StartError" });

  const second = containerNotRunnable(
    containerStarting(first, "app", 1),
    "app",
    "exec: no such file",
    2,
  );
  expect(container(second).shown.waiting?.reason).toBe("RunContainerError");
  const later = containerBacksOff(second, "app", 1_002);
  expect(container(later).shown.waiting?.reason).toBe("CrashLoopBackOff");
  expect(reasonsOf(later).filter((reason) => reason === "BackOff")).toHaveLength(1);
});

test("no attempt is used twice, whatever happens between", () => {
  const failed = containerFailed(
    containerStarting(startedMachine(POD), "app", 0),
    "app",
    { reason: "CreateContainerError", message: "disk full", isWorthRetrying: true },
    1,
  );
  const again = containerStarting(failed, "app", 10_001);

  expect(container(failed).unreleased).toEqual([0]);
  expect(container(again)).toMatchObject({ attempt: 1, restartCount: 0 });
});

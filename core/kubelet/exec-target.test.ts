import { describe, expect, test } from "bun:test";
import type { Pod } from "../kube/pod.ts";
import { containerFor, execMissFor, logsMissFor, podFor } from "./exec-target.ts";

const address = { namespace: "ns", pod: "web", container: "" } as const;
const startedAt = "2026-01-01T00:00:00Z";
const ended = (containerID: string) => ({
  terminated: { exitCode: 0, reason: "Completed", startedAt, finishedAt: startedAt, containerID },
});

const miss = (state: object) => execMissFor("web", "app", [{ name: "app", state }]);
const logs = (view: object, previous = false) =>
  logsMissFor("web", "app", [{ name: "app", ...view }], previous)?.message;

function podOf(names: readonly string[], annotations: Record<string, string> = {}): Pod {
  return {
    metadata: { name: "web", namespace: "ns", uid: "uid-1", annotations },
    spec: { containers: names.map((name) => ({ name, image: "busybox" })) },
  };
}

describe("which Pod", () => {
  test("one that is not here", () => {
    const message = 'pod "web" does not exist';
    expect(podFor(address, undefined)).toEqual({ ok: false, status: 404, message });
  });

  test("one of the same name that is another by now", () => {
    expect(podFor({ ...address, uid: "uid-0" }, podOf(["app"]))).toMatchObject({ status: 404 });
    expect(podFor({ ...address, uid: "uid-1" }, podOf(["app"]))).toMatchObject({ ok: true });
  });
});

describe("which container", () => {
  test("the only one is the default", () => {
    expect(containerFor(address, podOf(["app"]))).toEqual({ ok: true, container: "app" });
  });

  test("the annotation wins", () => {
    const pod = podOf(["app", "log"], { "kubectl.kubernetes.io/default-container": "log" });
    expect(containerFor(address, pod)).toEqual({ ok: true, container: "log" });
  });

  test("with several and no annotation the caller must choose", () => {
    expect(containerFor(address, podOf(["app", "log"]))).toEqual({
      ok: false,
      status: 400,
      message: "a container name must be specified for pod web, choose one of: [app log]",
    });
  });

  test("an unknown name is 404", () => {
    expect(containerFor({ ...address, container: "x" }, podOf(["app"]))).toEqual({
      ok: false,
      status: 404,
      message: 'container "x" not found in pod "web"',
    });
  });
});

describe("a command", () => {
  test("runs in a running container", () => {
    expect(miss({ running: { startedAt } })).toBeUndefined();
  });

  test("waits for a container that has not started", () => {
    expect(miss({ waiting: { reason: "ContainerCreating" } })).toEqual({
      ok: false,
      status: 400,
      message: 'container "app" in pod "web" is waiting to start: ContainerCreating',
    });
    expect(execMissFor("web", "app", [])).toMatchObject({ status: 400 });
  });

  test("finds no container that has ended", () => {
    const message = 'container not found ("app")';
    expect(miss(ended("fks://1"))).toEqual({ ok: false, status: 404, message });
  });
});

describe("the output", () => {
  test("of a running or finished container is there", () => {
    expect(logs({ state: { running: { startedAt } } })).toBeUndefined();
    expect(logs({ state: ended("fks://1") })).toBeUndefined();
  });

  test("of a container in back-off is its last run's", () => {
    const state = { waiting: { reason: "CrashLoopBackOff" } };
    expect(logs({ state, lastState: ended("fks://1") })).toBeUndefined();
  });

  test("of a container that waits says for what", () => {
    const why = 'container "app" in pod "web" is waiting to start: ';
    expect(logs({ state: { waiting: { reason: "ContainerCreating" } } })).toBe(
      `${why}ContainerCreating`,
    );
    expect(logs({ state: { waiting: { reason: "ErrImagePull" } } })).toBe(
      `${why}image can't be pulled`,
    );
    expect(logs({ state: { waiting: { reason: "ImagePullBackOff" } } })).toBe(
      `${why}trying and failing to pull image`,
    );
  });

  test("of a run before needs one", () => {
    const message = 'previous terminated container "app" in pod "web" not found';
    expect(logs({ state: { running: { startedAt } } }, true)).toBe(message);
    expect(logs({ lastState: ended("fks://1") }, true)).toBeUndefined();
  });

  test("of a container that could never be started is not there", () => {
    expect(logs({ state: ended("") })).toBe('container "app" in pod "web" is terminated');
    expect(logsMissFor("web", "app", [], false)?.message).toBe(
      'container "app" in pod "web" is not available',
    );
  });
});

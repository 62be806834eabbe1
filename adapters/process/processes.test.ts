import { afterAll, expect, test } from "bun:test";
import {
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { hostClock } from "#adapters/host/clock.ts";
import { commandLineOf, processIdentity } from "#adapters/host/process-identity.ts";
import type { ChildProcess, ProcessSpec, SingleProbe } from "#core/ports/processes.ts";
import { memoryLog } from "#test/fakes/log.ts";
import { endRecorded } from "./leftovers.ts";
import { rotateLog } from "./log-file.ts";
import { hostProcesses } from "./processes.ts";

const folder = mkdtempSync(join(tmpdir(), "fks-processes-"));
const childrenFile = join(folder, "run/children.json");
const logs = join(folder, "logs");
const processes = hostProcesses({ logs, childrenFile, identityOf: processIdentity });
const children: ChildProcess[] = [];
const never = new AbortController().signal;
afterAll(async () => {
  for (const child of children) child.kill("SIGKILL");
  // Their ends are written down, which would make the folder again.
  await Promise.all(children.map(({ exited }) => exited));
  rmSync(folder, { recursive: true, force: true });
});

const spec = (name: string, program: string, ...args: string[]): ProcessSpec => ({
  name,
  command: [process.execPath, join(import.meta.dir, `../../test/programs/${program}.ts`), ...args],
  env: { PATH: "/bin:/usr/bin" },
});
const start = (it: ProcessSpec): ChildProcess => {
  const child = processes.spawn(it);
  children.push(child);
  return child;
};
const logOf = (name: string): string => {
  const path = join(logs, `${name}.log`);
  return existsSync(path) ? readFileSync(path, "utf8") : "";
};
/** Looks until it is so; the test's own timeout is the limit. */
const until = async (isSo: () => boolean | Promise<boolean>): Promise<void> => {
  while (!(await isSo())) await Bun.sleep(5);
};
const outcome = async (probe: SingleProbe) => (await processes.probe(probe, never)).outcome;

test("a role is ready once its socket says so, writes its log, and ends when asked", async () => {
  const path = join(folder, "role.sock");
  const probe: SingleProbe = { kind: "http-on-unix-socket", path, target: "/readyz" };
  expect(await processes.probe(probe, never)).toEqual({
    outcome: "silent",
    reason: "does not listen yet",
  });
  const child = start(spec("role", "role", path));
  await until(async () => (await outcome(probe)) === "ready");

  expect(await outcome({ kind: "unix-socket", path })).toBe("ready");
  expect(logOf("role")).toBe("listens\n");
  expect(statSync(join(logs, "role.log")).mode & 0o777).toBe(0o600);
  expect(JSON.parse(readFileSync(childrenFile, "utf8"))).toEqual({
    role: processIdentity(child.pid) ?? {},
  });
  child.kill("SIGTERM");
  expect(await child.exited).toEqual({ exitCode: 0 });
  child.kill("SIGKILL");
  expect(JSON.parse(readFileSync(childrenFile, "utf8"))).toEqual({});
});

test("a role that is not ready tells why", async () => {
  const path = join(folder, "busy.sock");
  start(spec("busy", "role", path, "waits for the API server"));
  const probe: SingleProbe = { kind: "http-on-unix-socket", path, target: "/readyz" };
  await until(async () => (await outcome(probe)) !== "silent");

  expect(await processes.probe(probe, never)).toEqual({
    outcome: "unready",
    reason: "waits for the API server",
  });
});

test("how a child ended is told: by itself, killed, or never started", async () => {
  const crashed = start(spec("crashes", "crashes-at-start"));
  expect(await crashed.exited).toEqual({ exitCode: 3 });
  expect(logOf("crashes")).toBe("no such database\n");
  expect(crashed.lastWords()).toBe("no such database");

  const deaf = start(spec("deaf", "ignores-sigterm"));
  await until(() => logOf("deaf") === "deaf\n");
  deaf.kill("SIGTERM");
  deaf.kill("SIGKILL");
  expect(await deaf.exited).toEqual({ signalName: "SIGKILL" });

  const missing = { name: "missing", command: ["/nowhere/kube"], env: {} };
  expect(() => processes.spawn(missing)).toThrow("cannot start missing");
});

test("killing a child takes its group along, and leaves alone what went into a session of its own", async () => {
  const script = "sh -c 'echo $$; exec sleep 60' & setsid sh -c 'echo $$; exec sleep 60' & wait";
  const child = start({
    name: "family",
    command: ["/bin/sh", "-c", script],
    env: { PATH: "/bin:/usr/bin" },
  });
  await until(() => logOf("family").trim().split("\n").length === 2);
  const pids = logOf("family").trim().split("\n").map(Number);
  child.kill("SIGKILL");
  await child.exited;
  await until(() => pids.filter((pid) => processIdentity(pid) !== undefined).length === 1);

  const [daemon = 0] = pids.filter((pid) => processIdentity(pid) !== undefined);
  expect(commandLineOf(daemon)).toBe("sleep 60");
  process.kill(daemon, "SIGKILL");
});

test("children of a killed predecessor are ended, and a stranger with a reused number is not", async () => {
  const leftover = start(spec("leftover", "role", join(folder, "leftover.sock")));
  const stranger = start(spec("stranger", "role", join(folder, "stranger.sock")));
  await until(() => logOf("leftover") !== "" && logOf("stranger") !== "");
  const before = join(folder, "before.json");
  const records = {
    leftover: processIdentity(leftover.pid),
    stranger: { pid: stranger.pid, startedAt: "another boot/1" },
    gone: { pid: 4_000_000, startedAt: "x" },
  };
  writeFileSync(before, JSON.stringify(records));
  const deps = { childrenFile: before, identityOf: processIdentity, clock: hostClock() };

  expect(await endRecorded({ ...deps, log: memoryLog() }, never)).toEqual(["leftover"]);
  expect(await leftover.exited).toEqual({ exitCode: 0 });
  expect(processIdentity(stranger.pid)).toBeDefined();
});

/** A child that can stop itself and be told to go on. */
const speaks = (script: string) => {
  const child = start({ name: "poet", command: ["/bin/sh", "-c", script], env: {} });
  const isStopped = () => readFileSync(`/proc/${child.pid}/stat`, "utf8").includes(") T ");
  return {
    paused: () => until(isStopped),
    goOn: () => process.kill(child.pid, "SIGCONT"),
    words: async () => [await child.exited, child.lastWords()],
  };
};

test("last words are those of this life, also when the log was moved aside meanwhile", async () => {
  const path = join(logs, "poet.log");
  const first = speaks("echo Error: too old; exit 1");
  expect(await first.words()).toEqual([{ exitCode: 1 }, "Error: too old"]);
  const silent = speaks("exit 0");
  expect(await silent.words()).toEqual([{ exitCode: 0 }, undefined]);

  const moved = speaks("echo Error: before; kill -STOP $$; echo plain");
  await moved.paused();
  rotateLog(path, 0);
  moved.goOn();
  expect(await moved.words()).toEqual([{ exitCode: 0 }, "Error: before"]);

  writeFileSync(path, `Error: too old\n${"x".repeat(100)}`);
  const emptied = speaks("echo Error: lost; kill -STOP $$; echo plain");
  await emptied.paused();
  truncateSync(path);
  emptied.goOn();
  expect(await emptied.words()).toEqual([{ exitCode: 0 }, "plain"]);
});

/** The last words of a child that wrote just this. */
const wrote = async (name: string, text: string) => {
  writeFileSync(join(folder, name), text);
  const child = start({ name, command: ["/bin/cat", join(folder, name)], env: {} });
  await child.exited;
  return child.lastWords();
};

test("of a child that wrote a lot only the end is read, and of no line a half", async () => {
  const long = `Error: early\nError: ${"x".repeat(70_000)}\n`;
  expect(await wrote("long", long)).toBeUndefined();
  expect(await wrote("longer", `${long}Error: late\n`)).toBe("Error: late");
});

test("a log that grew too long is moved aside while its writer goes on", () => {
  const path = join(folder, "long.log");
  writeFileSync(path, "x".repeat(100));
  rotateLog(path, 200);
  expect(existsSync(`${path}.1`)).toBe(false);
  rotateLog(path, 50);
  expect(statSync(`${path}.1`).size).toBe(100);
  expect(statSync(path).size).toBe(0);
});

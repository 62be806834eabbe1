import { closeSync, mkdirSync, openSync } from "node:fs";
import { join } from "node:path";
import { FksError, messageOf } from "#core/errors.ts";
import type { ChildProcess, Processes, ProcessSpec } from "#core/ports/processes.ts";
import { type ChildRecords, childRecords, type IdentityOf } from "./child-records.ts";
import { lastWordsIn } from "./last-words.ts";
import { rotateLog } from "./log-file.ts";
import { markLog } from "./log-since.ts";
import { probeOnce } from "./probe.ts";

interface HostProcessesOptions {
  /** Folder for `<child>.log`. */
  readonly logs: string;
  /** File that names the children which run, for a successor of ours. */
  readonly childrenFile: string;
  readonly identityOf: IdentityOf;
}

/** Children as real processes: own process group, output appended to a file that outlives us. */
export function hostProcesses({ logs, childrenFile, identityOf }: HostProcessesOptions): Processes {
  const records = childRecords(childrenFile, identityOf);
  return {
    spawn: (spec) => spawn(spec, join(logs, `${spec.name}.log`), records),
    probe: probeOnce,
  };
}

function spawn(spec: ProcessSpec, logPath: string, records: ChildRecords): ChildProcess {
  const { promise, resolve } = Promise.withResolvers<{ exitCode?: number; signalName?: string }>();
  const { child, output } = startChild(spec, logPath, (exitCode, signalName) => {
    records.forget(spec.name);
    resolve({
      ...(exitCode === null ? {} : { exitCode }),
      ...(signalName === null ? {} : { signalName }),
    });
  });
  records.remember(spec.name, child.pid);
  return {
    pid: child.pid,
    exited: promise,
    lastWords: () => lastWordsIn(output()),
    kill(signalName) {
      if (child.exitCode !== null || child.signalCode !== null) return;
      try {
        // SIGTERM is a request to the child, which has its own order of stopping what it started.
        process.kill(signalName === "SIGKILL" ? -child.pid : child.pid, signalName);
      } catch {
        // Gone between the question and the signal.
      }
    },
  };
}

type OnExit = (exitCode: number | null, signalName: string | null) => void;

interface Started {
  readonly child: Bun.Subprocess;
  /** What it has written since its start, as far as that is still to be had. */
  readonly output: () => string;
}

function startChild(spec: ProcessSpec, logPath: string, onExit: OnExit): Started {
  let fd: number | undefined;
  try {
    mkdirSync(join(logPath, ".."), { recursive: true, mode: 0o700 });
    rotateLog(logPath);
    // A file, not a pipe: the child's output survives us, and nobody has to read it in time.
    fd = openSync(logPath, "a", 0o600);
    const output = markLog(logPath);
    const child = Bun.spawn([...spec.command], {
      env: { ...spec.env },
      ...(spec.cwd === undefined ? {} : { cwd: spec.cwd }),
      stdin: "ignore",
      stdout: fd,
      stderr: fd,
      detached: true,
      onExit: (_, exitCode, signalCode) => onExit(exitCode, nameOf(signalCode)),
    });
    return { child, output };
  } catch (cause) {
    throw new FksError("Unavailable", `cannot start ${spec.name}: ${messageOf(cause)}`, { cause });
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
}

const SIGNAL_NAMES = new Map(
  Object.entries({
    SIGHUP: 1,
    SIGINT: 2,
    SIGQUIT: 3,
    SIGILL: 4,
    SIGABRT: 6,
    SIGBUS: 7,
    SIGFPE: 8,
    SIGKILL: 9,
    SIGSEGV: 11,
    SIGPIPE: 13,
    SIGTERM: 15,
  }).map(([name, number]) => [number, name]),
);

/** The runtime tells the number of the signal. */
function nameOf(signal: number | string | null): string | null {
  if (typeof signal !== "number") return signal;
  return SIGNAL_NAMES.get(signal) ?? `signal ${signal}`;
}

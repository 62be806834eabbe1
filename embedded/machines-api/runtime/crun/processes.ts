/** Host processes by pid and start time: a pid alone may belong to somebody else by now. */
import { readFileSync } from "node:fs";

export interface HostProcess {
  readonly pid: number;
  /** Clock ticks after boot; with the boot it names one process for ever. */
  readonly startTicks: number;
}

/** The process that has this pid now; undefined when none has, a zombie included. */
export function processAt(pid: number): HostProcess | undefined {
  const stat = textOf(`/proc/${pid}/stat`);
  // The name in parentheses may hold anything, blanks and parentheses too.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const [state = ""] = fields;
  const startTicks = Number(fields[19]);
  if (stat === "" || state === "Z" || state === "X" || !Number.isFinite(startTicks))
    return undefined;
  return { pid, startTicks };
}

export function isRunning(wanted: HostProcess): boolean {
  return processAt(wanted.pid)?.startTicks === wanted.startTicks;
}

/** Signals exactly this process; false when it is gone. */
export function signalProcess(wanted: HostProcess, signal: NodeJS.Signals | number): boolean {
  if (!isRunning(wanted)) return false;
  try {
    process.kill(wanted.pid, signal);
    return true;
  } catch {
    return false;
  }
}

/**
 * Whether the process has prepared itself for this signal. The first process of a container gets no
 * other from outside: the kernel drops what it neither catches nor holds back.
 */
export function awaitsSignal({ pid }: HostProcess, signal: number): boolean {
  const status = textOf(`/proc/${pid}/status`);
  const bit = 1n << BigInt(signal - 1);
  return ["SigBlk", "SigCgt"].some((name) => {
    const mask = new RegExp(`^${name}:\\s*([0-9a-f]+)$`, "m").exec(status)?.[1];
    return mask !== undefined && (BigInt(`0x${mask}`) & bit) !== 0n;
  });
}

/** The pid a program wrote down for us; undefined before it did. */
export function pidIn(file: string): number | undefined {
  const pid = Number(textOf(file).trim());
  return Number.isInteger(pid) && pid > 0 ? pid : undefined;
}

export function commandLineOf(pid: number): readonly string[] {
  return textOf(`/proc/${pid}/cmdline`).split("\0");
}

export function bootId(): string {
  return textOf("/proc/sys/kernel/random/boot_id").trim();
}

function textOf(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return "";
  }
}

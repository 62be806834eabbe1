import type { ExitStatus, ProbeResult } from "../ports/processes.ts";
import type { Backoff } from "./backoff.ts";
import { nextState, type ProcessState } from "./process-state.ts";

/** What the status report tells about a child. Times are milliseconds since the Unix epoch. */
export interface ChildReport {
  readonly name: string;
  readonly state: ProcessState;
  readonly ready: boolean;
  /** Why it is not ready: its own words, or ours. */
  readonly reason?: string;
  readonly pid?: number;
  readonly startedAtMs?: number;
  /** From its start to its first readiness. */
  readonly readyAfterMs?: number;
  /** Deaths nobody asked for since the supervisor started. */
  readonly restarts: number;
  readonly isCrashLoop: boolean;
  readonly lastExit?: ExitStatus & { readonly atMs: number };
  /** When the next start comes, in state `waiting`. */
  readonly nextStartAtMs?: number;
}

/** A child that was never started and waits for others. */
export function newReport(name: string, after: readonly string[]): ChildReport {
  const reason = after.length === 0 ? "not started yet" : `waits for ${after.join(", ")}`;
  return { name, state: "stopped", ready: false, reason, restarts: 0, isCrashLoop: false };
}

export function startedReport(report: ChildReport, pid: number, nowMs: number): ChildReport {
  const { readyAfterMs: _, nextStartAtMs: __, ...rest } = report;
  return {
    ...rest,
    state: begunState(report.state),
    ready: false,
    reason: "is starting",
    pid,
    startedAtMs: nowMs,
  };
}

/** The state of a child whose next process was started, whatever it had waited for. */
function begunState(state: ProcessState): ProcessState {
  if (state === "waiting") return nextState(state, "elapsed");
  return nextState(state, state === "restarting" ? "exit" : "start");
}

/** What a probe changes; the very same report when it changes nothing. */
export function probedReport(
  report: ChildReport,
  result: ProbeResult,
  backoff: Backoff,
  nowMs: number,
): ChildReport {
  const { reason: before, ...rest } = report;
  const { isCrashLoop } = backoff;
  if (result.outcome !== "ready") {
    const { reason } = result;
    return !report.ready && reason === before
      ? report
      : { ...report, ready: false, reason, isCrashLoop };
  }
  if (report.ready && report.isCrashLoop === isCrashLoop) return report;
  const readyAfterMs = report.readyAfterMs ?? nowMs - (report.startedAtMs ?? nowMs);
  const state = nextState(report.state, "ready");
  return { ...rest, state, ready: true, readyAfterMs, isCrashLoop };
}

/** A death nobody asked for. `exit` is missing when the child could not even be started. */
export function diedReport(
  report: ChildReport,
  death: { readonly reason: string; readonly exit?: ExitStatus },
  { delayMs, isCrashLoop }: Backoff,
  nowMs: number,
): ChildReport {
  const { pid: _, startedAtMs: __, readyAfterMs: ___, ...rest } = report;
  // A child that could not be started was on its way all the same.
  const state = nextState(begunState(report.state), "exit");
  return {
    ...rest,
    state,
    ready: false,
    reason: death.reason,
    restarts: report.restarts + 1,
    isCrashLoop,
    ...(death.exit === undefined ? {} : { lastExit: { ...death.exit, atMs: nowMs } }),
    nextStartAtMs: nowMs + delayMs,
  };
}

/** Told to make room for a new process of its own. */
export function restartingReport(report: ChildReport, reason: string): ChildReport {
  const state = nextState(report.state, "restart");
  return { ...report, state, ready: false, reason: `is restarted: ${reason}` };
}

export function stoppingReport(report: ChildReport): ChildReport {
  const state = nextState(report.state, "stop");
  return { ...report, state, ready: false, reason: "is being stopped" };
}

export function stoppedReport(report: ChildReport): ChildReport {
  const { pid: _, startedAtMs: __, readyAfterMs: ___, nextStartAtMs: ____, ...rest } = report;
  return { ...rest, state: "stopped", ready: false, reason: "stopped" };
}

/** An exit in words: `exited with 1`, `killed by SIGKILL`. */
export function exitText({ exitCode, signalName }: ExitStatus): string {
  return signalName === undefined ? `exited with ${exitCode ?? "?"}` : `killed by ${signalName}`;
}

/** A death in words: the exit, and what the child said last, unless somebody killed it. */
export function deathText(exit: ExitStatus, lastWords: string | undefined): string {
  const isKilled = exit.signalName === "SIGKILL" || exit.signalName === "SIGTERM";
  return lastWords === undefined || isKilled ? exitText(exit) : `${exitText(exit)}: ${lastWords}`;
}

import { aborted } from "../aborted.ts";
import { FksError } from "../errors.ts";
import { type Clock, sleep } from "../ports/clock.ts";
import type { Log } from "../ports/log.ts";
import type { ChildProcess, ExitStatus, Processes } from "../ports/processes.ts";
import { backoffAfter, backoffWhileRunning, NO_BACKOFF } from "./backoff.ts";
import type { ChildSpec } from "./child.ts";
import { askChild, probeDelayMs } from "./child-probe.ts";
import {
  type ChildReport,
  diedReport,
  exitText,
  newReport,
  probedReport,
  startedReport,
  stoppedReport,
  stoppingReport,
} from "./child-report.ts";

/** A running child that answers nothing for so long is hung, and started anew. */
const HUNG_AFTER_MS = 60_000;

export interface ChildLoopDeps {
  readonly processes: Processes;
  readonly clock: Clock;
  readonly log: Log;
  /** Aborts when there is no time left for an orderly stop: everything is killed. */
  readonly atOnce: AbortSignal;
  /** Awaited between a child's first readiness and the start of those that come after it. */
  readonly onFirstReady?: (name: string) => Promise<void>;
  /** Hears of every change of a child's state. */
  readonly onChange?: (report: ChildReport) => void;
}

interface Neighbours {
  /** Have been ready before this one starts. */
  readonly earlier: readonly Pick<ChildLoop, "ready">[];
  /** Are gone before this one is stopped. */
  readonly later: readonly Pick<ChildLoop, "gone">[];
}

export interface ChildLoop {
  /** Resolves when `signal` has aborted and the child is gone. */
  run(neighbours: Neighbours, signal: AbortSignal): Promise<void>;
  report(): ChildReport;
  /** Resolves at the first readiness; never rejects. */
  readonly ready: Promise<void>;
  /** Resolves when the child is stopped for good; never rejects. */
  readonly gone: Promise<void>;
}

/** Keeps one child alive until it is told to stop. */
export function childLoop(spec: ChildSpec, deps: ChildLoopDeps): ChildLoop {
  const { processes, clock, atOnce } = deps;
  const log = deps.log.with({ child: spec.name });
  const ready = Promise.withResolvers<void>();
  const gone = Promise.withResolvers<void>();
  let hasBeenReady = false;
  let backoff = NO_BACKOFF;
  let report = newReport(spec.name, spec.after);

  function note(next: ChildReport): void {
    if (next === report) return;
    const isNews = next.state === "running" && report.state === "starting";
    if (isNews) log.info("child ready", { after_ms: next.readyAfterMs });
    report = next;
    deps.onChange?.(report);
  }

  async function keepAlive(neighbours: Neighbours, signal: AbortSignal): Promise<void> {
    await Promise.race([Promise.all(neighbours.earlier.map((it) => it.ready)), aborted(signal)]);

    while (!signal.aborted) {
      const startedAtMs = clock.now();
      const death = await live(neighbours, signal);
      if (signal.aborted) return;

      backoff = backoffAfter(backoff, clock.now() - startedAtMs);
      note(diedReport(report, death, backoff, clock.now()));
      const fields = { reason: death.reason, retry_in_ms: backoff.delayMs, deaths: backoff.deaths };
      if (backoff.isCrashLoop) log.error("child keeps dying", fields);
      else log.warn("child died", fields);
      await sleep(clock, backoff.delayMs, signal).catch(() => {});
    }
  }

  /** One life, from its start to its end, whoever caused that. */
  async function live(
    neighbours: Neighbours,
    signal: AbortSignal,
  ): Promise<{ readonly reason: string; readonly exit?: ExitStatus }> {
    let process: ChildProcess;
    try {
      process = processes.spawn(spec);
    } catch (error) {
      if (!FksError.is(error, "Unavailable")) throw error;
      return { reason: error.message };
    }
    note(startedReport(report, process.pid, clock.now()));
    log.debug("child started", { pid: process.pid });

    const life = new AbortController();
    const exited = process.exited.finally(() => life.abort(new Error(`${spec.name} is gone`)));
    const scope = AbortSignal.any([life.signal, signal]);
    try {
      await Promise.race([exited, aborted(scope), watch(process, scope)]);
      if (signal.aborted) await stop(process, neighbours);
      const exit = await exited;
      return { reason: exitText(exit), exit };
    } catch (error) {
      process.kill("SIGKILL");
      throw error;
    }
  }

  /** Probes until `life` ends or the child hangs and has to be killed. */
  async function watch(process: ChildProcess, life: AbortSignal): Promise<void> {
    const startedAtMs = clock.now();
    let heardAtMs = startedAtMs;
    while (!life.aborted) {
      const result = await askChild({ processes, clock }, spec.probe, life);
      if (result === undefined) return;
      const nowMs = clock.now();
      if (result.outcome !== "silent") heardAtMs = nowMs;
      backoff = backoffWhileRunning(backoff, nowMs - startedAtMs);
      note(probedReport(report, result, backoff, nowMs));
      if (report.ready && !hasBeenReady) {
        hasBeenReady = true;
        await deps.onFirstReady?.(spec.name);
        ready.resolve();
      }

      const patienceMs = report.state === "starting" ? spec.startTimeoutMs : HUNG_AFTER_MS;
      if (nowMs - heardAtMs >= patienceMs) {
        log.warn("child hangs and is killed", { silent_ms: nowMs - heardAtMs });
        process.kill("SIGKILL");
        return;
      }
      const delayMs = probeDelayMs(report.ready, nowMs - startedAtMs);
      await sleep(clock, delayMs, life).catch(() => {});
    }
  }

  async function stop(process: ChildProcess, { later }: Neighbours): Promise<void> {
    const othersGone = Promise.all(later.map((it) => it.gone));
    await Promise.race([othersGone, process.exited, aborted(atOnce)]);
    note(stoppingReport(report));
    process.kill(atOnce.aborted ? "SIGKILL" : "SIGTERM");
    const grace = AbortSignal.any([atOnce, clock.timeout(spec.graceMs)]);
    await Promise.race([process.exited, aborted(grace)]);
    if (grace.aborted) process.kill("SIGKILL");
  }

  return {
    async run(neighbours, signal) {
      try {
        await keepAlive(neighbours, signal);
      } finally {
        note(stoppedReport(report));
        gone.resolve();
      }
    },
    report: () => report,
    ready: ready.promise,
    gone: gone.promise,
  };
}

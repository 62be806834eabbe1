import { aborted } from "../aborted.ts";
import { FksError } from "../errors.ts";
import { type Clock, sleep } from "../ports/clock.ts";
import type { Log } from "../ports/log.ts";
import type { ChildProcess, ExitStatus, Processes } from "../ports/processes.ts";
import {
  type Backoff,
  backoffAfter,
  backoffWhileRunning,
  type Life,
  NO_BACKOFF,
} from "./backoff.ts";
import type { ChildSpec } from "./child.ts";
import {
  afterProbe,
  askChild,
  type Limits,
  type Lived,
  limitsFor,
  livedOn,
  type NextStep,
} from "./child-probe.ts";
import {
  type ChildReport,
  deathText,
  diedReport,
  newReport,
  probedReport,
  restartingReport,
  startedReport,
  stoppedReport,
  stoppingReport,
} from "./child-report.ts";

export interface ChildLoopDeps {
  readonly processes: Processes;
  readonly clock: Clock;
  readonly log: Log;
  /** Aborts when there is no time left for an orderly stop: everything is killed. */
  readonly atOnce: AbortSignal;
  /**
   * Awaited between a child's first readiness and the start of those that come after it, and before
   * the child itself is started anew. What it throws ends everything.
   */
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
  /** Replaces its process by a new one; does nothing when none runs, or when it is being stopped. */
  restart(reason: string): void;
  /** Resolves at the first readiness; never rejects. */
  readonly ready: Promise<void>;
  /** Resolves when it and all that come after it are stopped for good; never rejects. */
  readonly gone: Promise<unknown>;
}

/** How a life ended. `exit` is missing when the child could not even be started. */
type End =
  | { readonly kind: "died"; readonly reason: string; readonly exit?: ExitStatus }
  /** Because it was told to make room for the next one. */
  | { readonly kind: "replaced" };

/** Why a child is not waited for any longer: `kill` when it would not listen either. */
type Overdue = Exclude<NextStep, { do: "ask" }>;

/** Keeps one child alive until it is told to stop. */
export function childLoop(spec: ChildSpec, deps: ChildLoopDeps): ChildLoop {
  const { processes, clock, atOnce } = deps;
  const log = deps.log.with({ child: spec.name });
  const ready = Promise.withResolvers<void>();
  const gone = Promise.withResolvers<unknown>();
  let hasBeenReady = false;
  let backoff = NO_BACKOFF;
  let replace: ((reason: string) => void) | undefined;
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
      const end = await live(neighbours, signal);
      if (signal.aborted) return;
      if (end.kind === "replaced") continue;

      backoff = backoffAfter(backoff, lifeOf(report, clock.now() - startedAtMs));
      const failure = spec.giveUp?.({ reason: end.reason, deaths: backoff.deaths, hasBeenReady });
      if (failure !== undefined) throw failure;
      note(diedReport(report, end, backoff, clock.now()));
      tellDeath(log, end.reason, backoff);
      await sleep(clock, backoff.delayMs, signal).catch(() => {});
    }
  }

  /** One life, from its start to its end, whoever caused that. */
  async function live(neighbours: Neighbours, signal: AbortSignal): Promise<End> {
    const process = spawned(processes, spec);
    if (process instanceof FksError) return { kind: "died", reason: process.message };
    note(startedReport(report, process.pid, clock.now()));
    log.debug("child started", { pid: process.pid });

    const life = new AbortController();
    const exited = process.exited.finally(() => life.abort(new Error(`${spec.name} is gone`)));
    const replaced = new AbortController();
    const scope = AbortSignal.any([life.signal, replaced.signal, signal]);
    replace = (reason) => {
      if (scope.aborted) return;
      log.info("child is restarted", { reason });
      note(restartingReport(report, reason));
      replaced.abort(new Error(reason));
    };
    try {
      const over = Promise.race([exited, aborted(scope)]).then(() => undefined);
      const watching = watch(limitsFor(spec), scope);
      const late = await Promise.race([over, watching]);
      replace = undefined;
      if (signal.aborted) await stop(process, neighbours);
      else if (late?.do === "kill") process.kill("SIGKILL");
      else if (replaced.signal.aborted || late !== undefined)
        await endProcess(process, spec.graceMs, deps);
      const exit = await exited;
      // A first step is not left to itself: it is done before the next life, or its failure is told.
      await watching;
      if (replaced.signal.aborted) return { kind: "replaced" };
      return { kind: "died", reason: late?.reason ?? deathText(exit, process.lastWords()), exit };
    } catch (error) {
      process.kill("SIGKILL");
      // Whoever hears of it may touch what the child works on.
      await exited;
      throw error;
    }
  }

  /**
   * Probes until `life` ends. What it resolves with is why the child has to be ended: it hangs, or
   * it did not get ready in time.
   */
  async function watch(limits: Limits, life: AbortSignal): Promise<Overdue | undefined> {
    let lookedAtMs = clock.now();
    let delayMs = 0;
    let lived: Lived = { ranMs: 0, silentMs: 0 };
    while (!life.aborted) {
      const result = await askChild({ processes, clock }, spec.probe, life);
      if (result === undefined || life.aborted) return undefined;
      const nowMs = clock.now();
      const gap = { probe: spec.probe, delayMs, passedMs: nowMs - lookedAtMs };
      lookedAtMs = nowMs;
      lived = livedOn(lived, gap, result);
      backoff = backoffWhileRunning(backoff, lifeOf(report, lived.ranMs));
      note(probedReport(report, result, backoff, nowMs));
      if (report.ready && !hasBeenReady) {
        await deps.onFirstReady?.(spec.name);
        hasBeenReady = true;
        ready.resolve();
      }

      const next = afterProbe(limits, report, lived);
      if (next.do !== "ask") return next;
      delayMs = next.delayMs;
      await sleep(clock, delayMs, life).catch(() => {});
    }
    return undefined;
  }

  async function stop(process: ChildProcess, { later }: Neighbours): Promise<void> {
    await Promise.race([Promise.all(later.map((it) => it.gone)), process.exited, aborted(atOnce)]);
    note(stoppingReport(report));
    await endProcess(process, spec.graceMs, deps);
  }

  return {
    async run(neighbours, signal) {
      try {
        await keepAlive(neighbours, signal);
      } finally {
        note(stoppedReport(report));
        // It may have ended before them: what is before it has to wait for them all the same.
        gone.resolve(Promise.all(neighbours.later.map((it) => it.gone)));
      }
    },
    report: () => report,
    restart: (reason) => replace?.(reason),
    ready: ready.promise,
    gone: gone.promise,
  };
}

/** The new process, or why there is none. */
function spawned(processes: Processes, spec: ChildSpec): ChildProcess | FksError {
  try {
    return processes.spawn(spec);
  } catch (error) {
    if (FksError.is(error, "Unavailable")) return error;
    throw error;
  }
}

function lifeOf({ readyAfterMs }: ChildReport, ranMs: number): Life {
  return { ranMs, wasReady: readyAfterMs !== undefined };
}

function tellDeath(log: Log, reason: string, { delayMs, deaths, isCrashLoop }: Backoff): void {
  const fields = { reason, retry_in_ms: delayMs, deaths };
  if (isCrashLoop) log.error("child keeps dying", fields);
  else log.warn("child died", fields);
}

async function endProcess(
  process: ChildProcess,
  graceMs: number,
  { clock, atOnce }: ChildLoopDeps,
): Promise<void> {
  process.kill(atOnce.aborted ? "SIGKILL" : "SIGTERM");
  const grace = AbortSignal.any([atOnce, clock.timeout(graceMs)]);
  await Promise.race([process.exited, aborted(grace)]);
  if (grace.aborted) process.kill("SIGKILL");
}

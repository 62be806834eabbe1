import { messageOf } from "#core/errors.ts";
import type { Clock } from "#core/ports/clock.ts";

/** What a check saw. */
export type Observation =
  | { readonly outcome: "ok"; readonly observed: string }
  /** It could not be looked at, and that is nobody's fault: what it needs does not run. */
  | { readonly outcome: "skipped"; readonly observed: string }
  | { readonly outcome: "failed"; readonly observed: string; readonly remedy?: string };

/** One thing to look at. It changes nothing. */
export interface Check {
  /** `kernel.ipv6`: stable, for programs. */
  readonly id: string;
  /** What is good, for people. */
  readonly expected: string;
  /** What to do when it is not, unless the observation knows better. */
  readonly remedy: string;
  look(signal: AbortSignal): Promise<Observation>;
}

export interface CheckResult {
  readonly id: string;
  readonly outcome: Observation["outcome"];
  readonly observed: string;
  readonly expected: string;
  /** Present when it failed. */
  readonly remedy?: string;
  readonly tookMs: number;
}

export function ok(observed: string): Observation {
  return { outcome: "ok", observed };
}

export function skipped(observed: string): Observation {
  return { outcome: "skipped", observed };
}

export function failed(observed: string, remedy?: string): Observation {
  return { outcome: "failed", observed, ...(remedy !== undefined && { remedy }) };
}

const DEADLINE_MS = 10_000;

/** All of them at the same time; one that throws or takes too long has failed. Same order. */
export function runChecks(
  checks: readonly Check[],
  clock: Clock,
  signal: AbortSignal,
): Promise<readonly CheckResult[]> {
  return Promise.all(checks.map((check) => runCheck(check, clock, signal)));
}

async function runCheck(check: Check, clock: Clock, signal: AbortSignal): Promise<CheckResult> {
  const startedMs = clock.now();
  const deadline = AbortSignal.any([signal, clock.timeout(DEADLINE_MS)]);
  const seen = await Promise.race([
    check.look(deadline).catch((error: unknown) => failed(messageOf(error))),
    late(deadline),
  ]);
  signal.throwIfAborted();
  const { id, expected } = check;
  const remedy = seen.outcome === "failed" ? (seen.remedy ?? check.remedy) : undefined;
  return {
    id,
    outcome: seen.outcome,
    observed: seen.observed,
    expected,
    ...(remedy !== undefined && { remedy }),
    tookMs: Math.round(clock.now() - startedMs),
  };
}

function late(deadline: AbortSignal): Promise<Observation> {
  const { promise, resolve } = Promise.withResolvers<Observation>();
  const tell = (): void => resolve(failed(`no answer within ${DEADLINE_MS / 1_000} s`));
  deadline.addEventListener("abort", tell, { once: true });
  return promise;
}

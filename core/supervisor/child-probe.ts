import type { Clock } from "../ports/clock.ts";
import type { Probe, ProbeResult, Processes, SingleProbe } from "../ports/processes.ts";
import type { ChildSpec } from "./child.ts";
import type { ChildReport } from "./child-report.ts";

const PROBE_TIMEOUT_MS = 3_000;
/** A running child that answers nothing for so long is hung. */
const HUNG_AFTER_MS = 60_000;
/** A look that comes so much later than it can says that nobody ran meanwhile: the host slept. */
const PAUSE_MIN_MS = 5_000;

interface Asking {
  readonly processes: Processes;
  readonly clock: Clock;
}

/** The answer to a probe, each question within three seconds; undefined when `life` ended meanwhile. */
export async function askChild(
  deps: Asking,
  probe: Probe,
  life: AbortSignal,
): Promise<ProbeResult | undefined> {
  if (probe.kind !== "in-turn") return ask(deps, probe, life);
  for (const { what, probe: step } of probe.steps) {
    const result = await ask(deps, step, life);
    if (result === undefined) return undefined;
    if (result.outcome === "ready") continue;
    return { ...result, reason: `waiting for ${what}: ${result.reason}` };
  }
  return { outcome: "ready" };
}

async function ask(
  { processes, clock }: Asking,
  probe: SingleProbe,
  life: AbortSignal,
): Promise<ProbeResult | undefined> {
  const deadline = AbortSignal.any([life, clock.timeout(PROBE_TIMEOUT_MS)]);
  try {
    return await processes.probe(probe, deadline);
  } catch (error) {
    if (life.aborted) return undefined;
    if (!deadline.aborted) throw error;
    return { outcome: "silent", reason: `no answer within ${PROBE_TIMEOUT_MS / 1000} s` };
  }
}

/** How long a child has run in this life, and for how much of that it has been silent by now. */
export interface Lived {
  readonly ranMs: number;
  readonly silentMs: number;
}

interface Gap {
  readonly probe: Probe;
  /** Between the last answer and this question. */
  readonly delayMs: number;
  /** By the clock on the wall, between the two answers. */
  readonly passedMs: number;
}

/**
 * A child's life with one more answer. All the time since the last one counts, unless it is far
 * more than delay and questions can take, or less than none: then the host slept or its clock was
 * set, and the child had no more than that time. Pure.
 */
export function livedOn({ ranMs, silentMs }: Lived, gap: Gap, { outcome }: ProbeResult): Lived {
  const addedMs = countedMs(gap);
  return { ranMs: ranMs + addedMs, silentMs: outcome === "silent" ? silentMs + addedMs : 0 };
}

function countedMs({ probe, delayMs, passedMs }: Gap): number {
  const questions = probe.kind === "in-turn" ? probe.steps.length : 1;
  const longestMs = delayMs + questions * PROBE_TIMEOUT_MS;
  return passedMs > longestMs + PAUSE_MIN_MS ? longestMs : Math.max(0, passedMs);
}

export type NextStep =
  | { readonly do: "ask"; readonly delayMs: number }
  /** It hangs: nothing can be expected of it any more. */
  | { readonly do: "kill"; readonly reason: string }
  /** It took too long to get ready. */
  | { readonly do: "end"; readonly reason: string };

/** The limits of one life, as they are at its start. */
export interface Limits extends Pick<ChildSpec, "startTimeoutMs"> {
  readonly readyTimeoutMs: number;
}

export function limitsFor({ startTimeoutMs, readyTimeoutMs }: ChildSpec): Limits {
  return { startTimeoutMs, readyTimeoutMs: readyTimeoutMs?.() ?? Number.POSITIVE_INFINITY };
}

/** What follows from a probe, once the child's report tells of it. Pure. */
export function afterProbe(
  { startTimeoutMs, readyTimeoutMs }: Limits,
  { state, ready, readyAfterMs, reason }: ChildReport,
  { ranMs, silentMs }: Lived,
): NextStep {
  if (readyAfterMs === undefined && ranMs >= readyTimeoutMs) {
    return { do: "end", reason: `not ready within ${readyTimeoutMs / 1_000} s: ${reason}` };
  }
  const patienceMs = state === "starting" ? startTimeoutMs : HUNG_AFTER_MS;
  if (silentMs >= patienceMs) {
    return { do: "kill", reason: `silent for ${patienceMs / 1_000} s: ${reason}` };
  }
  return { do: "ask", delayMs: probeDelayMs(ready, ranMs) };
}

/** Often while people wait for a start, seldom once all is well. */
function probeDelayMs(isReady: boolean, ranMs: number): number {
  if (isReady) return 5_000;
  if (ranMs < 3_000) return 50;
  return ranMs < 30_000 ? 250 : 1_000;
}

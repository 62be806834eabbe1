import type { Clock } from "../ports/clock.ts";
import type { Probe, ProbeResult, Processes } from "../ports/processes.ts";

const PROBE_TIMEOUT_MS = 3_000;

/** The answer to one probe within three seconds; undefined when `life` ended meanwhile. */
export async function askChild(
  { processes, clock }: { readonly processes: Processes; readonly clock: Clock },
  probe: Probe,
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

/** Often while people wait for a start, seldom once all is well. Pure. */
export function probeDelayMs(isReady: boolean, ranMs: number): number {
  if (isReady) return 5_000;
  if (ranMs < 3_000) return 50;
  return ranMs < 30_000 ? 250 : 1_000;
}

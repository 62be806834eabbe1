import { z } from "zod";
import { FksError } from "#core/errors.ts";
import type { Clock } from "#core/ports/clock.ts";
import type { StatusReport } from "#core/status/report.ts";
import { PROCESS_STATES } from "#core/supervisor/process-state.ts";

const TIMEOUT_MS = 5_000;

const partSchema = z.object({
  name: z.string(),
  state: z.enum(PROCESS_STATES),
  ready: z.boolean(),
  reason: z.string().exactOptional(),
  pid: z.number().exactOptional(),
  startedAt: z.string().exactOptional(),
  readyAfterMs: z.number().exactOptional(),
  restarts: z.number(),
  isCrashLoop: z.boolean(),
  lastExit: z.string().exactOptional(),
  nextStartAt: z.string().exactOptional(),
});

const datastoreSchema = z.object({
  sizeBytes: z.number(),
  walBytes: z.number(),
  alarms: z.array(
    z.object({
      kind: z.string(),
      severity: z.enum(["note", "serious"]),
      count: z.number(),
      lastAt: z.string(),
      sentence: z.string(),
    }),
  ),
  alarmCounts: z.record(z.string(), z.number()),
});

const reportSchema: z.ZodType<StatusReport> = z.object({
  version: z.string(),
  cluster: z.object({
    name: z.string(),
    networkId: z.string(),
    clusterUid: z.string().exactOptional(),
    machines: z.enum(["embedded", "fly"]),
    runtime: z.string(),
    dataDir: z.string(),
    api: z.string(),
  }),
  controlPlane: z
    .object({ engine: z.string(), version: z.string(), program: z.string(), proof: z.string() })
    .exactOptional(),
  datastore: datastoreSchema.exactOptional(),
  startedAt: z.string(),
  uptimeSeconds: z.number(),
  ready: z.boolean(),
  unready: z.array(z.object({ name: z.string(), reason: z.string() })),
  parts: z.array(partSchema),
  nodes: z.array(
    z.object({ name: z.string(), ready: z.boolean(), reason: z.string().exactOptional() }),
  ),
  pods: z.number().exactOptional(),
  machines: z.record(z.string(), z.number()).exactOptional(),
});

/** The report of the `serve` that listens on this socket. Throws `Unavailable` when none does. */
export async function readStatus(
  socketPath: string,
  clock: Clock,
  signal: AbortSignal,
): Promise<StatusReport> {
  const deadline = AbortSignal.any([signal, clock.timeout(TIMEOUT_MS)]);
  try {
    const response = await fetch("http://status/api/v1/status", {
      unix: socketPath,
      signal: deadline,
    });
    return reportSchema.parse(await response.json());
  } catch (cause) {
    signal.throwIfAborted();
    throw new FksError("Unavailable", `nothing answers on ${socketPath}`, { cause });
  }
}

import type { ContainerBundle } from "#core/fly/machine-protocol.ts";
import type { Clock } from "#core/ports/clock.ts";
import type { Log } from "#core/ports/log.ts";
import type { ContainerExit, Runtime } from "./runtime/runtime.ts";

const LOG_LINES = 80;
const LOG_BYTES = 2_048;
/** An end is not held back for longer. */
const PATIENCE_MS = 2_000;

interface Sources {
  readonly runtime: Pick<Runtime, "terminationMessage" | "logs">;
  readonly clock: Clock;
  readonly log: Log;
}

/**
 * What a container that ended had to say: its termination file, else, where that is wanted and it
 * failed, the end of its log. "" when there is nothing, or nothing can be read. Never throws.
 */
export async function lastWords(
  { runtime, clock, log }: Sources,
  { id, exitCode }: ContainerExit,
  { fallsBackToLogs }: NonNullable<ContainerBundle["terminationMessage"]>,
  signal: AbortSignal,
): Promise<string> {
  const done = new AbortController();
  const late = new AbortController();
  clock.after(PATIENCE_MS, () => late.abort(new Error("took too long")), done.signal);
  const until = AbortSignal.any([signal, late.signal]);
  try {
    const message = await runtime.terminationMessage(id, until);
    if (message !== "" || !fallsBackToLogs || exitCode === 0) return message;
    return await endOf(await runtime.logs(id, { tailLines: LOG_LINES }, until));
  } catch (err) {
    if (!signal.aborted) {
      log.warn("no last words", { machine: id.machineId, container: id.name, err });
    }
    return "";
  } finally {
    done.abort();
  }
}

async function endOf(stream: ReadableStream<Uint8Array>): Promise<string> {
  let end: Uint8Array = new Uint8Array();
  for await (const chunk of stream) end = Buffer.concat([end, chunk]).subarray(-LOG_BYTES);
  return Buffer.from(end).toString();
}

import { type Clock, sleep } from "#core/ports/clock.ts";

/** How long a quiet pipe is kept after its process ended: a child of it may hold the other end. */
export const DRAIN_MS = 250;

interface PumpOptions {
  /** Resolves when the process ended that writes to the pipe. */
  readonly ended: Promise<unknown>;
  readonly clock: Clock;
}

/**
 * Copies a process' output until its end. The sink stays open; one that fails, or none, ends the
 * reading, which tells the process with its next write. Reads on only when the sink has taken all.
 */
export async function pumpOut(
  source: ReadableStream<Uint8Array>,
  sink: WritableStream<Uint8Array> | undefined,
  { ended, clock }: PumpOptions,
): Promise<void> {
  const reader = source.getReader();
  const writer = sink?.getWriter();
  const stop = new AbortController();
  let waitingSinceMs: number | undefined;

  async function copy(): Promise<void> {
    try {
      for (;;) {
        waitingSinceMs = clock.now();
        const { done, value } = await reader.read();
        waitingSinceMs = undefined;
        if (done) return;
        await writer?.write(value);
      }
    } catch {
      // The client is gone; its own signal says so to whoever wants to know.
      await reader.cancel().catch(() => {});
    } finally {
      stop.abort();
      writer?.releaseLock();
    }
  }

  async function giveUpWhenQuiet(): Promise<void> {
    await ended;
    while (!stop.signal.aborted) {
      await sleep(clock, DRAIN_MS, stop.signal).catch(() => {});
      const isQuiet = waitingSinceMs !== undefined && clock.now() - waitingSinceMs >= DRAIN_MS;
      if (isQuiet) await reader.cancel().catch(() => {});
    }
  }

  await Promise.all([copy(), giveUpWhenQuiet()]);
}

interface InputSink {
  write(chunk: Uint8Array): unknown;
  flush(): unknown;
  end(): unknown;
}

/** Copies a client's input to a process until either ends; `signal` is the process' end. */
export async function pumpIn(
  source: ReadableStream<Uint8Array>,
  sink: InputSink,
  signal: AbortSignal,
): Promise<void> {
  const reader = source.getReader();
  const stop = (): void => void reader.cancel().catch(() => {});
  signal.addEventListener("abort", stop, { once: true });
  if (signal.aborted) stop();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      await sink.write(value);
      await sink.flush();
    }
    await sink.end();
  } catch {
    // The process closed its input, or the client broke off: either way there is no more of it.
    await Promise.resolve(sink.end()).catch(() => {});
  } finally {
    signal.removeEventListener("abort", stop);
    reader.releaseLock();
  }
}

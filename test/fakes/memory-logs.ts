import type { LogOptions } from "#core/fly/machine-protocol.ts";
import type { Clock } from "#core/ports/clock.ts";

/** What one container wrote, and who reads on while it writes. */
export interface MemoryLog {
  write(text: string): void;
  /** No more will be written; followers come to their end. */
  close(): void;
  read(options: LogOptions, signal: AbortSignal): ReadableStream<Uint8Array>;
}

interface Line {
  readonly atMs: number;
  readonly text: string;
}

/** Lines in memory, told as `kubectl logs` prints them. */
export function containerLog(clock: Clock): MemoryLog {
  const lines: Line[] = [];
  let isClosed = false;
  let wake = Promise.withResolvers<void>();

  function changed(): void {
    wake.resolve();
    wake = Promise.withResolvers<void>();
  }

  async function* bytes(options: LogOptions, signal: AbortSignal): AsyncGenerator<Uint8Array> {
    const since = sinceMs(options, clock.now());
    let next = Math.max(0, lines.length - (options.tailLines ?? lines.length));
    while (!signal.aborted) {
      for (; next < lines.length; next += 1) {
        const line = lines[next];
        if (line !== undefined && line.atMs >= since) yield printed(line, options);
      }
      if (isClosed || options.follow !== true) return;
      await Promise.race([wake.promise, aborted(signal)]);
    }
  }

  return {
    write(text) {
      for (const line of text.split(/(?<=\n)/)) lines.push({ atMs: clock.now(), text: line });
      changed();
    },
    close() {
      isClosed = true;
      changed();
    },
    read: (options, signal) => limited(bytes(options, signal), options.limitBytes),
  };
}

function sinceMs(options: LogOptions, nowMs: number): number {
  if (options.sinceTime !== undefined) return Date.parse(options.sinceTime);
  return options.sinceSeconds === undefined ? 0 : nowMs - options.sinceSeconds * 1_000;
}

function printed(line: Line, options: LogOptions): Uint8Array {
  const stamp = new Date(line.atMs).toISOString().replace("Z", "000000Z");
  return new TextEncoder().encode(
    options.timestamps === true ? `${stamp} ${line.text}` : line.text,
  );
}

function limited(
  source: AsyncGenerator<Uint8Array>,
  limitBytes = Number.POSITIVE_INFINITY,
): ReadableStream<Uint8Array> {
  let left = limitBytes;
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      const { done, value } = await source.next();
      if (done === true || left <= 0) return controller.close();
      controller.enqueue(value.subarray(0, left));
      left -= value.length;
      if (left <= 0) controller.close();
    },
    cancel: async () => {
      await source.return(undefined);
    },
  });
}

function aborted(signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  if (signal.aborted) resolve();
  signal.addEventListener("abort", () => resolve(), { once: true });
  return promise;
}

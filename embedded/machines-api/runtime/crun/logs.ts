import { existsSync } from "node:fs";
import { FksError } from "#core/errors.ts";
import type { LogOptions } from "#core/fly/machine-protocol.ts";
import type { Clock } from "#core/ports/clock.ts";
import { logFormatter } from "./cri-log.ts";
import type { AttemptFolder } from "./folders.ts";
import { logBytes } from "./log-file.ts";

interface LogSource {
  readonly folder: Pick<AttemptFolder, "path" | "log" | "rotatedLog">;
  /** True once nothing will be written any more. */
  readonly hasEnded: () => boolean;
  readonly clock: Clock;
}

/**
 * A container's log as `kubectl logs` prints it. The stream is pulled: who reads slowly makes us read
 * slowly, and who goes away ends everything behind it. Throws FksError `NotFound` without a log.
 */
export async function logStream(
  { folder, hasEnded, clock }: LogSource,
  options: LogOptions,
  signal: AbortSignal,
): Promise<ReadableStream<Uint8Array>> {
  if (!existsSync(folder.log) && !existsSync(folder.rotatedLog)) {
    throw new FksError("NotFound", "this container has no logs");
  }
  const gone = new AbortController();
  const bytes = logBytes(
    { folder, hasEnded, clock, follow: options.follow === true, tailLines: options.tailLines },
    AbortSignal.any([signal, gone.signal]),
  );
  const formatter = logFormatter({
    timestamps: options.timestamps === true,
    sinceMs: sinceFor(options, clock.now()),
    limitBytes: options.limitBytes,
  });

  async function nextText(): Promise<Uint8Array | undefined> {
    while (!formatter.isFull()) {
      const { done, value } = await bytes.next();
      if (done === true) return undefined;
      const text = formatter.push(value);
      if (text.length > 0) return text;
    }
    return undefined;
  }

  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const text = await nextText();
        if (text !== undefined) {
          controller.enqueue(text);
          return;
        }
        await bytes.return(undefined);
        controller.close();
      },
      async cancel() {
        gone.abort(new Error("the reader went away"));
        // A read that waits ends with that reason, which nobody wants to hear.
        await bytes.return(undefined).catch(() => {});
      },
    },
    { highWaterMark: 0 },
  );
}

function sinceFor({ sinceSeconds, sinceTime }: LogOptions, nowMs: number): number | undefined {
  if (sinceTime !== undefined) {
    const sinceMs = Date.parse(sinceTime);
    if (Number.isNaN(sinceMs)) throw new FksError("InvalidInput", `not a time: ${sinceTime}`);
    return sinceMs;
  }
  return sinceSeconds === undefined ? undefined : nowMs - sinceSeconds * 1_000;
}

import { FksError } from "#core/errors.ts";
import type { MachineChange } from "#core/fly/machine-protocol.ts";
import type { Clock } from "#core/ports/clock.ts";
import { open, type ProtocolDeps } from "./call.ts";
import { jsonOf, lost } from "./errors.ts";
import { changeSchema } from "./schema.ts";

const PATH = "/fks/v1/watch";
/** Three pings that did not come: the other side may be gone without a word. */
const SILENCE_MAX_MS = 30_000;
const LINE_MAX_CHARS = 16 * 1_024 * 1_024;

/** The change stream; ends with `signal`, throws `Unavailable` when it was lost or fell silent. */
export async function* watchChanges(
  deps: ProtocolDeps,
  signal: AbortSignal,
): AsyncGenerator<MachineChange> {
  const watchdog = silenceWatchdog(deps.clock);
  const lifetime = AbortSignal.any([signal, watchdog.signal]);
  try {
    const { body } = await open(deps, { method: "GET", path: PATH }, signal, lifetime);
    for await (const line of linesOf(body, watchdog)) yield changeOf(line);
    throw new FksError("Unavailable", "the change stream ended");
  } catch (error) {
    if (signal.aborted) return;
    throw error instanceof FksError ? error : lost("the change stream", error);
  } finally {
    watchdog.stop();
  }
}

interface Watchdog {
  readonly signal: AbortSignal;
  heard(): void;
  /** Ends what it watches, too. */
  stop(): void;
}

function silenceWatchdog(clock: Clock): Watchdog {
  const silence = new AbortController();
  let timer = new AbortController();

  function heard(): void {
    timer.abort();
    timer = new AbortController();
    clock.after(
      SILENCE_MAX_MS,
      () => {
        silence.abort(new FksError("Unavailable", "the change stream fell silent"));
      },
      timer.signal,
    );
  }

  heard();
  return {
    signal: silence.signal,
    heard,
    stop() {
      timer.abort();
      silence.abort(new Error("nobody reads the change stream any more"));
    },
  };
}

async function* linesOf(
  body: ReadableStream<Uint8Array> | null,
  watchdog: Watchdog,
): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const bytes of body ?? []) {
    watchdog.heard();
    const lines = (rest + decoder.decode(bytes, { stream: true })).split("\n");
    rest = lines.pop() ?? "";
    if (rest.length > LINE_MAX_CHARS) throw new FksError("Unavailable", "a line is too long");
    yield* lines.filter((line) => line !== "");
  }
}

function changeOf(line: string): MachineChange {
  const change = changeSchema.safeParse(jsonOf(line));
  if (change.success) return change.data;
  throw new FksError("Unavailable", "a line of the change stream was not understood", {
    cause: change.error,
  });
}

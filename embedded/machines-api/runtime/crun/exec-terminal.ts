import { sleep } from "#core/ports/clock.ts";
import type { ExecRequest } from "#core/ports/machine-protocol.ts";
import { exitCodeOf } from "./exec-end.ts";
import { type ExecTarget, execArgvFor } from "./exec-target.ts";
import { DRAIN_MS, pumpIn } from "./pump.ts";
import { pumpSizes } from "./pump-sizes.ts";

const DEFAULT_SIZE = { cols: 80, rows: 24 };

/** A terminal cannot be read slowly: beyond this much unsent output, who copies it is stopped. */
const PAUSE_BYTES = 1024 * 1024;

/**
 * Runs a command on a terminal of its own. Its output goes to `stdout` alone, as on any terminal;
 * a client that reads slowly stops the runtime process that copies it, and with it the command.
 */
export async function execWithTerminal(
  target: ExecTarget,
  request: ExecRequest,
  signal: AbortSignal,
): Promise<number> {
  const writer = request.stdout?.getWriter();
  const closed = Promise.withResolvers<void>();
  const ended = new AbortController();
  let unsentBytes = 0;
  let isPaused = false;
  let sending = Promise.resolve();
  let size = DEFAULT_SIZE;

  function send(bytes: Uint8Array): void {
    unsentBytes += bytes.length;
    if (unsentBytes > PAUSE_BYTES && !isPaused && !signal.aborted) {
      isPaused = true;
      child.kill("SIGSTOP");
    }
    sending = sendNext(sending, bytes);
  }

  async function sendNext(before: Promise<void>, bytes: Uint8Array): Promise<void> {
    await before;
    // A client that is gone takes no more; its signal ends the command.
    await writer?.write(bytes).catch(() => {});
    unsentBytes -= bytes.length;
    if (isPaused && unsentBytes === 0) {
      isPaused = false;
      child.kill("SIGCONT");
    }
  }

  /** It is no one's controlling terminal, so the kernel does not tell the runtime by itself. */
  function tellSize(): void {
    if (terminal.closed) return;
    terminal.resize(size.cols, size.rows);
    child.kill("SIGWINCH");
  }

  const terminal = new Bun.Terminal({
    ...size,
    data: (_terminal, data) => send(new Uint8Array(data)),
    exit: () => closed.resolve(),
  });
  const child = Bun.spawn(execArgvFor(target), { terminal });
  const input =
    request.stdin === undefined
      ? undefined
      : pumpIn(request.stdin, terminalInput(terminal), ended.signal);
  const resizes =
    request.resize === undefined
      ? undefined
      : pumpSizes(
          request.resize,
          (next) => {
            size = next;
            tellSize();
          },
          ended.signal,
        );
  // Some runtimes show a size only when it changes after the command has begun.
  const again = sleep(target.clock, DRAIN_MS, ended.signal)
    .then(tellSize)
    .catch(() => {});
  try {
    const code = await exitCodeOf(child, target, signal);
    ended.abort();
    await Promise.race([closed.promise, sleep(target.clock, DRAIN_MS, signal)]);
    await Promise.all([sending, input, resizes, again]);
    return code;
  } finally {
    if (!terminal.closed) terminal.close();
    writer?.releaseLock();
  }
}

/** The end of the client's input is no end of the terminal: there is nothing to close. */
function terminalInput(terminal: Bun.Terminal) {
  return {
    write: (chunk: Uint8Array) => void terminal.write(new Uint8Array(chunk)),
    flush: () => {},
    end: () => {},
  };
}

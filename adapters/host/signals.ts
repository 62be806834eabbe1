import { readFileSync } from "node:fs";
import { constants } from "node:os";

/** Somebody wants this process to end: no failure of ours. */
export class StoppedError extends Error {
  override readonly name = "StoppedError";
  /** What shells show for a process that a signal ended. */
  readonly exitStatus: number;

  constructor(signal: "SIGTERM" | "SIGINT" | "SIGHUP") {
    super(`stopped by ${signal}`);
    this.exitStatus = 128 + constants.signals[signal];
  }
}

export interface StopSignals {
  /** Aborts at the first SIGTERM, SIGINT or SIGHUP. */
  readonly stop: AbortSignal;
  /** Aborts at the second: no more waiting. */
  readonly atOnce: AbortSignal;
}

/** The host's wish that this process ends, as signals one can wait for. Call once, in `cmd`. */
export function stopSignals(): StopSignals {
  const stop = new AbortController();
  const atOnce = new AbortController();
  const names = ["SIGTERM", "SIGINT", ...(isHangupIgnored() ? [] : ["SIGHUP" as const])] as const;
  for (const name of names) {
    process.on(name, () => {
      (stop.signal.aborted ? atOnce : stop).abort(new StoppedError(name));
    });
  }
  return { stop: stop.signal, atOnce: atOnce.signal };
}

/** Under `nohup` a terminal that closes must not end us, and a handler of ours would undo that. */
function isHangupIgnored(): boolean {
  try {
    const mask = /^SigIgn:\s*([0-9a-f]+)$/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1];
    return (Number.parseInt(mask?.slice(-1) ?? "0", 16) & 1) === 1;
  } catch {
    return false;
  }
}

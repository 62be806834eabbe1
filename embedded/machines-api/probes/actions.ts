/** What probes and hooks do, each kind in a file of its own. */
import type { Handler } from "#core/fly/machine-protocol.ts";
import { type Clock, sleep } from "#core/ports/clock.ts";
import { goDuration } from "../back-off.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { addressText, dialMachine, refusedText } from "./dial.ts";
import { runCommand } from "./exec.ts";
import { healthOf } from "./grpc.ts";
import { getOnce, getProbed } from "./http.ts";
import { type ActionTarget, type Outcome, SUCCESS } from "./outcome.ts";

export interface Actions {
  /** What a probe finds. Throws when it could not be asked at all. */
  probe(
    handler: Handler,
    target: ActionTarget,
    timeoutMs: number,
    signal: AbortSignal,
  ): Promise<Outcome>;
  /** Runs a hook to its end; aborting cuts it. Throws as `probe`. */
  hook(handler: Handler, target: ActionTarget, signal: AbortSignal): Promise<Outcome>;
}

/** In words of the kubelet, which people and tools know. */
export function actionsOf(runtime: Runtime, clock: Clock): Actions {
  // Where there are no processes, nothing can be wrong with them.
  const isPretended = runtime.kind === "none";

  async function command(
    handler: Extract<Handler, { readonly kind: "exec" }>,
    { id }: ActionTarget,
    signal: AbortSignal,
  ): Promise<Outcome> {
    const { exitCode, output } = await runCommand(runtime, id, handler.command, signal);
    const isUnknown = isPretended && exitCode === 127;
    return exitCode === 0 || isUnknown ? SUCCESS : { is: "failure", message: output };
  }

  async function asked(
    handler: Handler,
    target: ActionTarget,
    signal: AbortSignal,
  ): Promise<Outcome> {
    if (handler.kind === "exec") return command(handler, target, signal);
    if (isPretended || handler.kind === "sleep") return SUCCESS;
    const dial = dialMachine(runtime, target, signal);
    if (handler.kind === "http") return getProbed(dial, handler, target.address);
    if (handler.kind === "grpc") return healthOf(dial, handler, target.address);
    const { connection } = await dial(handler);
    await connection.readable.cancel();
    return SUCCESS;
  }

  return {
    async probe(handler, target, timeoutMs, signal) {
      const over = new AbortController();
      const done = new AbortController();
      clock.after(timeoutMs, () => over.abort(new Error("timed out")), done.signal);
      try {
        const until = AbortSignal.any([signal, over.signal]);
        return await asked(handler, target, until);
      } catch (error) {
        if (signal.aborted) throw error;
        if (over.signal.aborted)
          return { is: "failure", message: lateText(handler, target, timeoutMs) };
        if (handler.kind === "exec") throw error;
        return { is: "failure", message: refusedText(handler, target.address, error) };
      } finally {
        done.abort();
      }
    },
    async hook(handler, target, signal) {
      if (handler.kind === "exec") {
        return command(handler, target, signal);
      }
      if (handler.kind === "sleep") await sleep(clock, handler.seconds * 1_000, signal);
      else if (handler.kind === "http" && !isPretended) {
        await getOnce(dialMachine(runtime, target, signal), handler, target.address);
      } else if (handler.kind === "tcp" && !isPretended) {
        const { connection } = await dialMachine(runtime, target, signal)(handler);
        await connection.readable.cancel();
      }
      return SUCCESS;
    },
  };
}

function lateText(handler: Handler, { address }: ActionTarget, timeoutMs: number): string {
  const within = goDuration(timeoutMs);
  if (handler.kind === "exec") {
    return `command timed out: ${JSON.stringify(handler.command.join(" "))} timed out after ${within}`;
  }
  const where = addressText(handler, address);
  if (handler.kind === "http") {
    return `Get "${where}": context deadline exceeded (Client.Timeout exceeded while awaiting headers)`;
  }
  if (handler.kind === "grpc") {
    return `timeout: failed to connect service "${where}" within ${within}: context deadline exceeded`;
  }
  return `dial tcp ${where}: i/o timeout`;
}

import type { ExitStatus } from "#core/fly/machine-protocol.ts";
import type { AttachRequest } from "#core/ports/machine-protocol.ts";
import type { ContainerExit } from "./runtime.ts";

interface Ending {
  /** Aborts when the container ends. */
  readonly ended: AbortSignal;
  readonly exit: () => ContainerExit | undefined;
}

/** Whoever is attached to a container without processes gets back what they type, until it ends. */
export async function noneAttach(
  { stdin, stdout }: AttachRequest,
  { ended, exit }: Ending,
  signal: AbortSignal,
): Promise<ExitStatus> {
  const either = AbortSignal.any([ended, signal]);
  const over = Promise.withResolvers<void>();
  either.addEventListener("abort", () => over.resolve(), { once: true });
  if (either.aborted) over.resolve();
  if (stdin !== undefined && stdout !== undefined) {
    // Either side may be gone before the container is.
    const rules = { signal: either, preventClose: true, preventCancel: true, preventAbort: true };
    stdin.pipeTo(stdout, rules).catch(() => undefined);
  }
  await over.promise;
  signal.throwIfAborted();
  const { exitCode = 137, signal: number } = exit() ?? {};
  return number === undefined ? { exitCode } : { exitCode, signal: number };
}

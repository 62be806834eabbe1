import { FksError } from "#core/errors.ts";
import type { TerminalSize } from "#core/fly/machine-protocol.ts";
import { execStatusFor, failedStatusFor, type StreamStatus } from "#core/kubelet/exec-status.ts";
import type { ContainerTarget } from "#core/kubelet/exec-target.ts";
import { terminalSizesIn } from "#core/kubelet/terminal-size.ts";
import type { Log } from "#core/ports/log.ts";
import type { MachineProtocol } from "#core/ports/machine-protocol.ts";
import type { RemoteStreams } from "./remote-streams.ts";

interface ExecDeps {
  readonly protocol: MachineProtocol;
  readonly log: Log;
}

interface ExecCommand {
  readonly target: ContainerTarget;
  readonly command: readonly string[];
  readonly tty: boolean;
}

/** Runs the command between the client's streams; it is killed when the client goes away. */
export async function runExec(
  deps: ExecDeps,
  request: ExecCommand,
  streams: RemoteStreams,
  signal: AbortSignal,
): Promise<void> {
  const { stdin, stdout, stderr, resize } = streams;
  const until = AbortSignal.any([signal, streams.signal]);
  const status = await outcome(
    deps,
    () =>
      deps.protocol.exec(
        request.target.machine,
        request.target.container,
        {
          command: request.command,
          tty: request.tty,
          ...(stdin && { stdin }),
          ...(stdout && { stdout }),
          ...(stderr && { stderr }),
          ...(resize && { resize: resize.pipeThrough(terminalSizes()) }),
        },
        until,
      ),
    until,
  );
  await streams.finish(status);
}

async function outcome(
  { log }: ExecDeps,
  exec: () => Promise<{ readonly exitCode: number }>,
  signal: AbortSignal,
): Promise<StreamStatus> {
  try {
    return execStatusFor(await exec());
  } catch (err) {
    if (!signal.aborted && !(err instanceof FksError)) log.error("exec failed", { err });
    return failedStatusFor(err);
  }
}

function terminalSizes(): TransformStream<Uint8Array, TerminalSize> {
  const decoder = new TextDecoder();
  let rest = "";
  return new TransformStream({
    transform(bytes, controller) {
      const found = terminalSizesIn(rest + decoder.decode(bytes, { stream: true }));
      rest = found.rest;
      for (const size of found.sizes) controller.enqueue(size);
    },
  });
}

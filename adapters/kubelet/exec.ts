import { FksError } from "#core/errors.ts";
import type { TerminalSize } from "#core/fly/machine-protocol.ts";
import {
  ATTACH_ENDED,
  execStatusFor,
  failedStatusFor,
  type StreamStatus,
} from "#core/kubelet/exec-status.ts";
import type { ContainerTarget } from "#core/kubelet/exec-target.ts";
import { terminalSizesIn } from "#core/kubelet/terminal-size.ts";
import type { Log } from "#core/ports/log.ts";
import type { AttachRequest, MachineProtocol } from "#core/ports/machine-protocol.ts";
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
  const { target, command, tty } = request;
  const until = AbortSignal.any([signal, streams.signal]);
  const exec = async (): Promise<StreamStatus> => {
    const asked = { command, tty, ...given(streams) };
    return execStatusFor(await deps.protocol.exec(target.machine, target.container, asked, until));
  };
  await streams.finish(await outcome(deps, exec, until));
}

/** The client's streams are the container's own until it ends, or the client goes away. */
export async function runAttach(
  deps: ExecDeps,
  { machine, container }: ContainerTarget,
  streams: RemoteStreams,
  signal: AbortSignal,
): Promise<void> {
  const until = AbortSignal.any([signal, streams.signal]);
  const attach = async (): Promise<StreamStatus> => {
    await deps.protocol.attach(machine, container, given(streams), until);
    return ATTACH_ENDED;
  };
  await streams.finish(await outcome(deps, attach, until));
}

function given({ stdin, stdout, stderr, resize }: RemoteStreams): AttachRequest {
  return {
    ...(stdin && { stdin }),
    ...(stdout && { stdout }),
    ...(stderr && { stderr }),
    ...(resize && { resize: resize.pipeThrough(terminalSizes()) }),
  };
}

async function outcome(
  { log }: ExecDeps,
  work: () => Promise<StreamStatus>,
  signal: AbortSignal,
): Promise<StreamStatus> {
  try {
    return await work();
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

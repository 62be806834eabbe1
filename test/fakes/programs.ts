import type { ExitStatus } from "#core/fly/machine-protocol.ts";
import type { Connection, ExecRequest } from "#core/ports/machine-protocol.ts";

/** Runs a command in a pretended container. */
export type Program = (request: ExecRequest, signal: AbortSignal) => Promise<ExitStatus>;

/** The few commands tests use: `true`, `false`, `echo …`, `cat`, and `sh -c "exit N"`. */
export const toyProgram: Program = async (request, signal) => {
  const [name = "", ...args] = request.command;
  switch (name) {
    case "true":
      return { exitCode: 0 };
    case "false":
      return { exitCode: 1 };
    case "echo":
      return writeAll(request.stdout, `${args.join(" ")}\n`);
    case "cat":
      return copy(request, signal);
    case "sh":
      return { exitCode: Number(/^exit (\d+)$/.exec(args[1] ?? "")?.[1] ?? 2) };
    default:
      return { exitCode: 127 };
  }
};

async function writeAll(
  stdout: WritableStream<Uint8Array> | undefined,
  text: string,
): Promise<ExitStatus> {
  const writer = stdout?.getWriter();
  await writer?.write(new TextEncoder().encode(text));
  await writer?.close();
  return { exitCode: 0 };
}

async function copy({ stdin, stdout }: ExecRequest, signal: AbortSignal): Promise<ExitStatus> {
  if (stdin === undefined || stdout === undefined) return { exitCode: 0 };
  await stdin.pipeTo(stdout, { signal });
  return { exitCode: 0 };
}

/** Two ends of one pretended TCP connection. */
export function connectionPair(): readonly [Connection, Connection] {
  const there = new TransformStream<Uint8Array, Uint8Array>();
  const back = new TransformStream<Uint8Array, Uint8Array>();
  return [
    { readable: back.readable, writable: there.writable },
    { readable: there.readable, writable: back.writable },
  ];
}

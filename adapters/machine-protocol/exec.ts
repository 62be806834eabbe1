import { FksError } from "#core/errors.ts";
import type { ExitStatus, TerminalSize } from "#core/fly/machine-protocol.ts";
import type { AttachRequest, ExecRequest } from "#core/ports/machine-protocol.ts";
import { failureSchema, jsonOf } from "./errors.ts";
import { CHANNEL, type Reader } from "./frames.ts";
import { exitSchema } from "./schema.ts";
import type { FrameSocket } from "./socket.ts";

/** The query that starts this command. */
export function execQuery(request: ExecRequest): string {
  const query = new URLSearchParams();
  for (const word of request.command) query.append("command", word);
  if (request.tty) query.set("tty", "true");
  for (const name of streamsOf(request)) {
    if (name !== "stderr" || !request.tty) query.set(name, "true");
  }
  return query.toString();
}

/** The query that attaches these streams. */
export function attachQuery(request: AttachRequest): string {
  return streamsOf(request)
    .map((name) => `${name}=true`)
    .join("&");
}

function streamsOf(request: AttachRequest): readonly ("stdin" | "stdout" | "stderr")[] {
  return (["stdin", "stdout", "stderr"] as const).filter((name) => request[name] !== undefined);
}

/** Carries the streams of a process until it ended. */
export async function carryStreams(
  socket: FrameSocket,
  request: AttachRequest,
): Promise<ExitStatus> {
  const stdin = request.stdin?.getReader();
  const resize = request.resize?.getReader();
  const stdout = request.stdout?.getWriter();
  const stderr = request.stderr?.getWriter();
  // Input that cannot be delivered any more is dropped: the process's end tells why.
  const inputs = Promise.allSettled([feed(socket, stdin), feedSizes(socket, resize)]);

  try {
    const exit = await outcome(socket, stdout, stderr);
    // The reader of the output may be gone already; the command has ended all the same.
    await Promise.allSettled([stdout?.close(), stderr?.close()]);
    return exit;
  } catch (error) {
    await Promise.allSettled([stdout?.abort(error), stderr?.abort(error)]);
    throw error;
  } finally {
    socket.close();
    await Promise.allSettled([stdin?.cancel(), resize?.cancel(), inputs]);
  }
}

type Output = WritableStreamDefaultWriter<Uint8Array> | undefined;

async function outcome(socket: FrameSocket, stdout: Output, stderr: Output): Promise<ExitStatus> {
  for await (const { channel, payload } of socket.frames) {
    if (channel === CHANNEL.stdout) await stdout?.write(payload);
    else if (channel === CHANNEL.stderr) await stderr?.write(payload);
    else if (channel === CHANNEL.end) return exitOf(payload);
  }
  throw new FksError("Unavailable", "the connection ended before the process did");
}

function exitOf(payload: Uint8Array): ExitStatus {
  const told = jsonOf(new TextDecoder().decode(payload));
  const failure = failureSchema.safeParse(told);
  if (failure.success) throw new FksError(failure.data.code, failure.data.error);
  const exit = exitSchema.safeParse(told);
  if (exit.success) return exit.data;
  throw new FksError("Unavailable", "the process's end was not understood");
}

async function feed(socket: FrameSocket, stdin: Reader<Uint8Array> | undefined): Promise<void> {
  if (stdin === undefined) return;
  for (;;) {
    const { done, value } = await stdin.read();
    if (done) return socket.send(CHANNEL.close, Uint8Array.of(CHANNEL.toMachine));
    await socket.send(CHANNEL.toMachine, value);
  }
}

async function feedSizes(
  socket: FrameSocket,
  resize: Reader<TerminalSize> | undefined,
): Promise<void> {
  if (resize === undefined) return;
  for (;;) {
    const { done, value } = await resize.read();
    if (done) return;
    await socket.send(CHANNEL.resize, new TextEncoder().encode(JSON.stringify(value)));
  }
}

import { closeSync, constants, openSync } from "node:fs";
import { dirname } from "node:path";
import { FksError } from "#core/errors.ts";
import type { TerminalSize } from "#core/fly/machine-protocol.ts";
import type { AttachRequest } from "#core/ports/machine-protocol.ts";
import { LEAVE_STDIN_OPEN } from "./conmon.ts";
import { sender } from "./connect.ts";
import type { AttemptFolder } from "./folders.ts";
import { connectPackets, openBeneath, setWindowSize } from "./libc.ts";
import { commandLineOf, pidIn } from "./processes.ts";
import { pumpIn } from "./pump.ts";
import { pumpSizes } from "./pump-sizes.ts";

/** First byte of conmon's packets. */
const STDERR = 3;

/** conmon reads no larger ones. */
const PACKET_MAX_BYTES = 8_192;

/** Beyond this much that the client has not taken, conmon is made to wait, and with it the container. */
const PAUSE_BYTES = 1024 * 1024;

const O_PATH = 0o10_000_000;

/**
 * Joins a client to the streams of a container's first process; resolves when conmon has closed them,
 * and what it sent was taken. Abort leaves the container as it is.
 * Throws FksError `Conflict` when there is no one to attach to any more.
 */
export async function attachTo(
  folder: AttemptFolder,
  request: AttachRequest,
  signal: AbortSignal,
): Promise<void> {
  signal.throwIfAborted();
  const fd = connected(folder.attach);
  if (fd === undefined) throw new FksError("Conflict", "the container has ended");
  const closed = Promise.withResolvers<void>();
  const ended = new AbortController();
  const outputs = outputsOf(request);
  const outbox = sender();
  const options = {
    // Its type wants a path; what is connected already wins.
    unix: folder.attach,
    fd,
    allowHalfOpen: true,
    socket: {
      data: (from: Bun.Socket, packet: Uint8Array) => outputs.take(from, packet),
      drain: () => outbox.drained(),
      end: () => closed.resolve(),
      error: () => closed.resolve(),
      close: () => {
        outbox.closed();
        closed.resolve();
      },
    },
  };
  const socket = await Bun.connect(options);
  const detach = (): void => closed.resolve();
  signal.addEventListener("abort", detach, { once: true });
  if (signal.aborted) detach();
  const { stdin, resize } = request;
  const writer = outbox.writable(socket).getWriter();
  const input = stdin === undefined ? undefined : pumpIn(stdin, inPackets(writer), ended.signal);
  const resizes =
    resize === undefined
      ? undefined
      : pumpSizes(resize, (size) => tellSize(folder, size), ended.signal);
  try {
    await closed.promise;
    signal.throwIfAborted();
    await outputs.sent();
  } finally {
    signal.removeEventListener("abort", detach);
    ended.abort();
    // conmon takes any client that goes for the one who typed.
    if (stdin === undefined && closesInput(folder)) linger(socket);
    else socket.terminate();
    outbox.closed();
    await Promise.all([input, resizes]);
    outputs.release();
  }
}

/** Whether the container's input ends with the first client (`stdinOnce`). */
function closesInput({ conmonPid }: AttemptFolder): boolean {
  const args = commandLineOf(pidIn(conmonPid) ?? 0);
  return args.includes("-i") && !args.includes(LEAVE_STDIN_OPEN);
}

/** Until the container ends; what still comes is dropped. */
function linger(socket: Bun.Socket): void {
  socket.resume();
  socket.unref();
}

/** By its folder's descriptor: the path itself may be too long for a socket's address. */
function connected(path: string): number | undefined {
  let folder: number;
  try {
    folder = openSync(dirname(path), O_PATH | constants.O_DIRECTORY);
  } catch {
    return undefined;
  }
  try {
    return connectPackets(`/proc/self/fd/${folder}/attach`);
  } finally {
    closeSync(folder);
  }
}

interface Pausable {
  pause(): void;
  resume(): void;
}

function outputsOf({ stdout, stderr }: AttachRequest) {
  const out = stdout?.getWriter();
  const err = stderr?.getWriter();
  let sending = Promise.resolve();
  let unsentBytes = 0;
  let isPaused = false;

  async function send(before: Promise<void>, from: Pausable, packet: Uint8Array): Promise<void> {
    await before;
    const writer = packet[0] === STDERR ? err : out;
    // A client that is gone takes no more; its signal says so.
    await writer?.write(packet.subarray(1)).catch(() => {});
    unsentBytes -= packet.length;
    if (isPaused && unsentBytes < PAUSE_BYTES) {
      isPaused = false;
      from.resume();
    }
  }

  return {
    take(from: Pausable, packet: Uint8Array): void {
      const copy = new Uint8Array(packet);
      unsentBytes += copy.length;
      sending = send(sending, from, copy);
      if (unsentBytes < PAUSE_BYTES || isPaused) return;
      isPaused = true;
      from.pause();
    },
    sent: async () => sending,
    release(): void {
      out?.releaseLock();
      err?.releaseLock();
    },
  };
}

function inPackets(writer: WritableStreamDefaultWriter<Uint8Array>) {
  return {
    async write(chunk: Uint8Array): Promise<void> {
      for (let at = 0; at < chunk.length; at += PACKET_MAX_BYTES) {
        await writer.write(chunk.subarray(at, at + PACKET_MAX_BYTES));
      }
    },
    flush: () => {},
    end: async () => writer.close(),
  };
}

/**
 * Asks the terminal itself: of sizes that come at once conmon hears the first, and kubectl always
 * tells two. A container that has ended has no size.
 */
function tellSize({ pid }: AttemptFolder, { cols, rows }: TerminalSize): void {
  try {
    const root = openSync(`/proc/${pidIn(pid)}/root`, O_PATH | constants.O_DIRECTORY);
    try {
      // The container may have put anything there; what is no terminal has no size either.
      const flags = constants.O_RDWR | constants.O_NOCTTY | constants.O_NONBLOCK;
      const terminal = openBeneath(root, "dev/console", flags);
      if (terminal < 0) return;
      setWindowSize(terminal, cols, rows);
      closeSync(terminal);
    } finally {
      closeSync(root);
    }
  } catch {
    // It has ended.
  }
}

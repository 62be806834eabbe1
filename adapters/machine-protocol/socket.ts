import { FksError } from "#core/errors.ts";
import { sleep } from "#core/ports/clock.ts";
import { authorizationOf, open, type ProtocolDeps, urlOf } from "./call.ts";
import { lost } from "./errors.ts";
import { decodeFrame, encodeFrame, type Frame, SUBPROTOCOL } from "./frames.ts";

/** One WebSocket of the protocol: frames in both directions, neither faster than its reader. */
export interface FrameSocket {
  /** Ends when the other side closed; fails when the connection was lost. */
  readonly frames: ReadableStream<Frame>;
  /** Resolves when there is room for more. */
  send(channel: number, payload: Uint8Array): Promise<void>;
  close(): void;
}

const READ_AHEAD_BYTES = 256 * 1_024;
const WRITE_AHEAD_BYTES = 1_024 * 1_024;
/** A client WebSocket does not tell when it drained. */
const DRAIN_LOOK_MS = 2;
const NORMAL_CLOSURE = 1_000;

/** Opens the WebSocket at `path`; aborting `signal` closes it, also later. */
export async function openSocket(
  deps: ProtocolDeps,
  path: string,
  signal: AbortSignal,
): Promise<FrameSocket> {
  signal.throwIfAborted();
  const socket = new WebSocket(urlOf(deps, path).replace(/^http/, "ws"), {
    headers: authorizationOf(deps),
    protocols: [SUBPROTOCOL],
  });
  socket.binaryType = "arraybuffer";
  const frames = framesOf(socket, path, signal);
  const stop = (): void => socket.terminate();
  signal.addEventListener("abort", stop, { once: true });
  socket.addEventListener("close", () => signal.removeEventListener("abort", stop));

  if (!(await opened(socket))) {
    signal.throwIfAborted();
    throw await refusal(deps, path, signal);
  }
  return {
    frames,
    async send(channel, payload) {
      if (socket.readyState !== WebSocket.OPEN) {
        signal.throwIfAborted();
        throw new FksError("Unavailable", `${path}: the connection is closed`);
      }
      socket.send(encodeFrame(channel, payload));
      while (socket.bufferedAmount > WRITE_AHEAD_BYTES && socket.readyState === WebSocket.OPEN) {
        await sleep(deps.clock, DRAIN_LOOK_MS, signal);
      }
    },
    close: () => close(socket),
  };
}

function opened(socket: WebSocket): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  socket.addEventListener("open", () => resolve(true), { once: true });
  socket.addEventListener("close", () => resolve(false), { once: true });
  socket.addEventListener("error", () => resolve(false), { once: true });
  return promise;
}

/** A client WebSocket hides why it was refused; the same request without an upgrade tells. */
async function refusal(deps: ProtocolDeps, path: string, signal: AbortSignal): Promise<FksError> {
  try {
    await open(deps, { method: "GET", path }, signal, signal);
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof FksError) return error;
    throw error;
  }
  return new FksError("Unavailable", `${path}: the WebSocket was refused`);
}

function framesOf(socket: WebSocket, path: string, signal: AbortSignal): ReadableStream<Frame> {
  let isWanted = true;
  return new ReadableStream<Frame>(
    {
      start(controller) {
        socket.addEventListener("message", ({ data }: MessageEvent<unknown>) => {
          const frame = data instanceof ArrayBuffer ? decodeFrame(new Uint8Array(data)) : undefined;
          if (frame === undefined || !isWanted) return;
          controller.enqueue(frame);
          if ((controller.desiredSize ?? 0) <= 0) socket.pause();
        });
        socket.addEventListener("close", ({ code }) => {
          if (!isWanted) return;
          if (code === NORMAL_CLOSURE) return controller.close();
          controller.error(signal.aborted ? signal.reason : lost(path, undefined));
        });
      },
      pull: () => {
        socket.resume();
      },
      cancel() {
        isWanted = false;
        close(socket);
      },
    },
    { highWaterMark: READ_AHEAD_BYTES, size: (frame) => (frame?.payload.length ?? 0) + 1 },
  );
}

function close(socket: WebSocket): void {
  // A paused socket would never hear the answer to its goodbye.
  socket.resume();
  socket.close(NORMAL_CLOSURE);
}

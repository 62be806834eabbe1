import { lookup } from "node:dns/promises";
import { isIP } from "node:net";
import { FksError } from "#core/errors.ts";
import type { Connection } from "#core/ports/machine-protocol.ts";
import { withNetns } from "../../network/netns.ts";
import type { DialTarget } from "../runtime.ts";

/** A server inside a Machine listens on either; IPv4 first, as most do. */
const LOOPBACKS = ["127.0.0.1", "::1"] as const;

/**
 * A TCP connection to this port inside the network namespace. Abort cuts it, also later.
 * Throws FksError `Unavailable` when nothing listens there.
 */
export async function connectInside(
  netns: string,
  port: number,
  signal: AbortSignal,
): Promise<Connection> {
  let refused: unknown;
  for (const hostname of LOOPBACKS) {
    signal.throwIfAborted();
    try {
      return await connect(netns, hostname, port, signal);
    } catch (error) {
      if (FksError.is(error, "NotFound")) throw error;
      refused = error;
    }
  }
  throw new FksError("Unavailable", `nothing listens on port ${port}`, { cause: refused });
}

/**
 * A TCP connection from inside the network namespace to any host. A name is resolved here, before.
 * Throws FksError `Unavailable` when the host cannot be found or reached.
 */
export async function dialInside(
  netns: string,
  { host, port }: DialTarget,
  signal: AbortSignal,
): Promise<Connection> {
  const address = await addressOf(host);
  signal.throwIfAborted();
  try {
    return await connect(netns, address, port, signal);
  } catch (error) {
    if (error instanceof FksError) throw error;
    signal.throwIfAborted();
    throw new FksError("Unavailable", `cannot connect to ${host} port ${port}`, { cause: error });
  }
}

async function addressOf(host: string): Promise<string> {
  if (isIP(host) !== 0) return host;
  try {
    return (await lookup(host)).address;
  } catch (error) {
    throw new FksError("Unavailable", `lookup ${host}: no such host`, { cause: error });
  }
}

async function connect(
  netns: string,
  hostname: string,
  port: number,
  signal: AbortSignal,
): Promise<Connection> {
  const inbox = receiver();
  const outbox = sender();
  // The socket is made before Bun.connect returns, and so inside.
  const connecting = withNetns(netns, () =>
    Bun.connect({
      hostname,
      port,
      allowHalfOpen: true,
      socket: {
        data: (socket, data) => inbox.take(socket, data),
        end: () => inbox.close(),
        drain: () => outbox.drained(),
        close: (_socket, error) => {
          inbox.close(error);
          outbox.closed();
        },
        error: (_socket, error) => inbox.close(error),
      },
    }),
  );
  const socket = await connecting;
  const cut = (): void => socket.terminate();
  signal.addEventListener("abort", cut, { once: true });
  if (signal.aborted) cut();
  const settled = (): void => signal.removeEventListener("abort", cut);
  return { readable: inbox.readable(socket, settled), writable: outbox.writable(socket) };
}

type Socket = Bun.Socket;

function noOneWaits(): void {}

/** Bytes from the socket, which is paused while the reader has some left. */
function receiver() {
  const queue: Uint8Array[] = [];
  let end: { readonly error: Error | undefined } | undefined;
  let wake = noOneWaits;

  return {
    take(socket: Socket, data: Uint8Array): void {
      queue.push(new Uint8Array(data));
      socket.pause();
      wake();
    },

    close(error?: Error): void {
      end ??= { error };
      wake();
    },

    readable(socket: Socket, settled: () => void): ReadableStream<Uint8Array> {
      return new ReadableStream<Uint8Array>(
        {
          async pull(controller) {
            for (;;) {
              const chunk = queue.shift();
              if (chunk !== undefined) {
                controller.enqueue(chunk);
                return;
              }
              if (end !== undefined) break;
              socket.resume();
              const { promise, resolve } = Promise.withResolvers<void>();
              wake = resolve;
              await promise;
            }
            settled();
            if (end.error === undefined) controller.close();
            else controller.error(end.error);
          },
          cancel() {
            settled();
            socket.terminate();
          },
        },
        { highWaterMark: 0 },
      );
    },
  };
}

interface Sender {
  /** The kernel takes bytes again. */
  drained(): void;
  closed(): void;
  writable(socket: Socket): WritableStream<Uint8Array>;
}

/** Bytes to the socket; a write is done when the kernel has taken all of it. */
export function sender(): Sender {
  let wake = noOneWaits;
  let isClosed = false;

  return {
    drained: (): void => wake(),

    closed(): void {
      isClosed = true;
      wake();
    },

    writable(socket: Socket): WritableStream<Uint8Array> {
      return new WritableStream<Uint8Array>({
        async write(chunk) {
          for (let rest = chunk; rest.length > 0; ) {
            if (isClosed) throw new FksError("Unavailable", "the connection is closed");
            const written = socket.write(rest);
            if (written < 0) throw new FksError("Unavailable", "the connection is closed");
            rest = rest.subarray(written);
            if (rest.length === 0) return;
            const { promise, resolve } = Promise.withResolvers<void>();
            wake = resolve;
            await promise;
          }
        },
        // Half of a close: what the other side still sends arrives.
        close: () => socket.shutdown(),
        abort: () => socket.terminate(),
      });
    },
  };
}

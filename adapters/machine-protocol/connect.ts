import { FksError } from "#core/errors.ts";
import type { Connection } from "#core/ports/machine-protocol.ts";
import { failureSchema, jsonOf } from "./errors.ts";
import { CHANNEL, type Frame, type Reader } from "./frames.ts";
import type { FrameSocket } from "./socket.ts";

/** A TCP connection over the frames of a WebSocket; each direction is closed by itself. */
export function connectionOver(socket: FrameSocket): Connection {
  let isWritableDone = false;
  let isReadableDone = false;

  function closeWhenDone(): void {
    if (isWritableDone && isReadableDone) socket.close();
  }

  const incoming = socket.frames.getReader();
  const readable = new ReadableStream<Uint8Array>({
    async pull(controller) {
      const bytes = await nextBytes(incoming);
      if (bytes !== undefined) return controller.enqueue(bytes);
      isReadableDone = true;
      controller.close();
      closeWhenDone();
    },
    cancel: () => incoming.cancel(),
  });
  const writable = new WritableStream<Uint8Array>({
    write: (bytes) => socket.send(CHANNEL.toMachine, bytes),
    async close() {
      isWritableDone = true;
      if (!isReadableDone) await socket.send(CHANNEL.close, Uint8Array.of(CHANNEL.toMachine));
      closeWhenDone();
    },
    abort: () => socket.close(),
  });
  return { readable, writable };
}

/** The next bytes from the Machine; `undefined` once it said all. */
async function nextBytes(incoming: Reader<Frame>): Promise<Uint8Array | undefined> {
  for (;;) {
    const { done, value } = await incoming.read();
    if (done) return undefined;
    if (value.channel === CHANNEL.stdout) return value.payload;
    if (value.channel === CHANNEL.close && value.payload[0] === CHANNEL.stdout) return undefined;
    if (value.channel === CHANNEL.end) throw refused(value.payload);
  }
}

function refused(payload: Uint8Array): FksError {
  const failure = failureSchema.safeParse(jsonOf(new TextDecoder().decode(payload)));
  return failure.success
    ? new FksError(failure.data.code, failure.data.error)
    : new FksError("Unavailable", "the connection into the Machine was lost");
}

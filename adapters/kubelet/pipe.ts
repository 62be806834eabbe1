import type { Duplex } from "node:stream";

/** Bytes both ways with back-pressure: what frames travel in, a socket or a tunnel. */
export interface Pipe {
  /** Sends `head` and `body` in one go; false asks to wait for `drained`. */
  write(head: Uint8Array, body?: Uint8Array): boolean;
  /** No more bytes arrive until `resume`. */
  pause(): void;
  resume(): void;
  /** Says goodbye once everything written is out, then closes. */
  end(): void;
  /** Closes at once. */
  destroy(): void;
  /** Must be called once, before anything arrives. */
  listen(listener: PipeListener): void;
}

export interface PipeListener {
  data(bytes: Buffer): void;
  drained(): void;
  /** Exactly once, when nothing can arrive any more. */
  closed(): void;
}

/** How long the other side may take to close after our goodbye. */
const CLOSE_GRACE_MS = 2_000;

/** A socket after its upgrade; `early` arrived together with the request. */
export function socketPipe(socket: Duplex, early: Buffer): Pipe {
  return {
    write(head, body) {
      if (socket.destroyed || socket.writableEnded) return true;
      socket.cork();
      let hasRoom = socket.write(head);
      if (body !== undefined && body.length > 0) hasRoom = socket.write(body);
      socket.uncork();
      return hasRoom;
    },
    pause: () => void socket.pause(),
    resume: () => void socket.resume(),
    end() {
      if (socket.destroyed) return;
      // What still arrives must be read: closing over unread bytes would cut off what we sent.
      socket.resume();
      socket.end();
      const cut = setTimeout(() => socket.destroy(), CLOSE_GRACE_MS);
      socket.once("close", () => clearTimeout(cut));
    },
    destroy: () => void socket.destroy(),
    listen(listener) {
      if (socket.destroyed) return listener.closed();
      socket.on("data", (bytes: Buffer) => listener.data(bytes));
      socket.on("drain", () => listener.drained());
      socket.on("end", () => socket.destroy());
      socket.on("error", () => socket.destroy());
      socket.once("close", () => listener.closed());
      if (early.length > 0) listener.data(early);
    },
  };
}

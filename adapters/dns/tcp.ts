import type { Socket } from "bun";
import type { Answerer } from "./answerer.ts";
import type { Listener, ListenOptions } from "./listener.ts";

interface Session {
  /** What came and is not a whole query yet. */
  incoming: Uint8Array;
  /** What the kernel had no room for. */
  outgoing: Uint8Array;
}

const SESSIONS_MAX = 256;
const IDLE_S = 10;
/** An asker that does not read its answers is cut off. */
const OUTGOING_MAX_BYTES = 1 << 20;

/** Answers over TCP: every message stands behind two bytes with its length. */
export function listenTcp(options: ListenOptions, answer: Answerer): Listener {
  const { address, port, within } = options;
  let sessions = 0;

  const server = within(() =>
    Bun.listen<Session>({
      hostname: address,
      port,
      socket: {
        open(socket) {
          sessions += 1;
          socket.data = { incoming: new Uint8Array(0), outgoing: new Uint8Array(0) };
          socket.timeout(IDLE_S);
          if (sessions > SESSIONS_MAX) socket.terminate();
        },
        data(socket, piece) {
          socket.timeout(IDLE_S);
          const { queries, rest } = queriesIn(joined(socket.data.incoming, piece));
          socket.data.incoming = rest;
          for (const query of queries) answer(query, "tcp", (reply) => send(socket, framed(reply)));
        },
        drain: (socket) => send(socket, new Uint8Array(0)),
        timeout: (socket) => {
          socket.terminate();
        },
        close() {
          sessions -= 1;
        },
        error: (socket) => {
          socket.terminate();
        },
      },
    }),
  );
  return { port: server.port, close: () => server.stop(true) };
}

/** Whole queries at the front of what came, and what is left. */
export function queriesIn(bytes: Uint8Array): {
  readonly queries: readonly Uint8Array[];
  readonly rest: Uint8Array;
} {
  const queries: Uint8Array[] = [];
  let at = 0;
  for (;;) {
    const size = ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0);
    if (at + 2 + size > bytes.length || at + 2 > bytes.length) break;
    queries.push(bytes.slice(at + 2, at + 2 + size));
    at += 2 + size;
  }
  return { queries, rest: bytes.slice(at) };
}

export function framed(message: Uint8Array): Uint8Array {
  const frame = new Uint8Array(message.length + 2);
  frame[0] = message.length >>> 8;
  frame[1] = message.length & 0xff;
  frame.set(message, 2);
  return frame;
}

function send(socket: Socket<Session>, bytes: Uint8Array): void {
  const all = joined(socket.data.outgoing, bytes);
  if (all.length === 0 || socket.readyState <= 0) return;
  if (all.length > OUTGOING_MAX_BYTES) {
    socket.terminate();
    return;
  }
  const written = Math.max(socket.write(all), 0);
  socket.data.outgoing = all.slice(written);
}

function joined(one: Uint8Array, other: Uint8Array): Uint8Array {
  if (one.length === 0) return other;
  const both = new Uint8Array(one.length + other.length);
  both.set(one);
  both.set(other, one.length);
  return both;
}

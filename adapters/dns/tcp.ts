import type { Socket } from "bun";
import type { Answerer } from "#core/dns/answerer.ts";
import { TCP_MAX_BYTES } from "#core/dns/respond.ts";
import type { Listener, ListenOptions } from "./listener.ts";

interface Session {
  readonly client: string;
  /** What came and is not a whole query yet. */
  incoming: Uint8Array;
  /** What the kernel had no room for. */
  outgoing: Uint8Array;
}

/** When there are more, the one that was quiet for longest is cut off. */
const SESSIONS_MAX = 1_024;
/** Nobody takes all of them. */
const SESSIONS_PER_CLIENT_MAX = 64;
const IDLE_S = 10;
/** An asker that does not read its answers is cut off. */
const OUTGOING_MAX_BYTES = 1 << 20;

/** Answers over TCP: every message stands behind two bytes with its length. */
export function listenTcp(options: ListenOptions, answerer: Pick<Answerer, "answer">): Listener {
  const { address, port, within } = options;
  /** The one that was quiet for longest first. */
  const sessions = new Set<Socket<Session>>();
  const perClient = new Map<string, number>();
  const into = new Uint8Array(TCP_MAX_BYTES);

  function count(client: string, change: number): number {
    const sum = (perClient.get(client) ?? 0) + change;
    if (sum === 0) perClient.delete(client);
    else perClient.set(client, sum);
    return sum;
  }

  function answer(socket: Socket<Session>, query: Uint8Array): void {
    const reply = answerer.answer(query, "tcp", socket.data.client, into);
    if (typeof reply !== "number") void reply.then((bytes) => send(socket, framed(bytes)));
    else if (reply > 0) send(socket, framed(into.subarray(0, reply)));
  }

  const server = within(() =>
    Bun.listen<Session>({
      hostname: address,
      port,
      socket: {
        open(socket) {
          const client = socket.remoteAddress;
          socket.data = { client, incoming: new Uint8Array(0), outgoing: new Uint8Array(0) };
          socket.timeout(IDLE_S);
          sessions.add(socket);
          if (count(client, 1) > SESSIONS_PER_CLIENT_MAX) {
            socket.terminate();
            return;
          }
          const [quietest] = sessions;
          if (sessions.size > SESSIONS_MAX) quietest?.terminate();
        },
        data(socket, piece) {
          socket.timeout(IDLE_S);
          sessions.delete(socket);
          sessions.add(socket);
          const { queries, rest } = queriesIn(joined(socket.data.incoming, piece));
          socket.data.incoming = rest;
          for (const query of queries) answer(socket, query);
        },
        drain: (socket) => send(socket, new Uint8Array(0)),
        timeout: (socket) => {
          socket.terminate();
        },
        close(socket) {
          sessions.delete(socket);
          count(socket.data.client, -1);
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

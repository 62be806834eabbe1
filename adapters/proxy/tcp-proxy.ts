import type { Socket, TCPSocketListener } from "bun";
import type { Endpoint, Parties } from "#core/edge/proxy-protocol.ts";
import { FksError, messageOf } from "#core/errors.ts";
import { cut, join, onClose, onData, onDrain, onEnd, type RelayEnd, relayEnd } from "./relay.ts";

/** Where a connection goes, for as long as it lasts. */
export interface Destination {
  /** Tried one after the other until one takes the connection. At least one. */
  readonly targets: readonly Endpoint[];
  /** Sent before the client's own bytes: a PROXY header. */
  readonly preamble?: Uint8Array;
  /** The connection is over, or never came about. */
  release(): void;
}

interface TcpProxyOptions {
  readonly hostname: string;
  /** 0: any free one. */
  readonly port: number;
  /**
   * Chooses for each connection; may take its time, during which the client's bytes wait unread.
   * Undefined: the connection is reset. `signal` aborts when the client leaves first.
   */
  readonly choose: (parties: Parties, signal: AbortSignal) => Promise<Destination | undefined>;
  /** No target took the connection, or none could be chosen. */
  readonly onUnreachable?: (targets: readonly Endpoint[], reason: string) => void;
  readonly limits?: Partial<TcpLimits>;
}

export interface TcpLimits {
  /** More connections than that are reset as they come. */
  readonly maxConnections: number;
  readonly connectMs: number;
  /** A relay on which nothing moves for so long is cut. */
  readonly idleMs: number;
  /** The same once one side has ended. */
  readonly halfOpenIdleMs: number;
}

export const TCP_LIMITS: TcpLimits = {
  maxConnections: 20_000,
  connectMs: 5_000,
  idleMs: 3_600_000,
  halfOpenIdleMs: 120_000,
};
const SWEEP_MS = 5_000;

export interface TcpProxy {
  readonly port: number;
  connections(): number;
  /** No new connections; those there are end by themselves, or are cut after `graceMs`. */
  close(graceMs: number): Promise<void>;
}

type Client = Socket<RelayEnd | undefined>;

/**
 * A proxy of TCP connections that keeps half-closed ones, presses back on fast senders and remembers
 * nothing of slow ones but a chunk. Throws `Conflict` when the port is taken.
 */
export function tcpProxy(options: TcpProxyOptions): TcpProxy {
  const { hostname, port, choose, onUnreachable } = options;
  const limits = { ...TCP_LIMITS, ...options.limits };
  const clients = new Set<RelayEnd>();
  /** Aborted when the client is gone before it was joined. */
  const leaving = new WeakMap<RelayEnd, AbortController>();

  async function serve(client: RelayEnd, parties: Parties): Promise<void> {
    const left = new AbortController();
    leaving.set(client, left);
    const destination = await choose(parties, left.signal).catch((error: unknown) => {
      if (!left.signal.aborted) onUnreachable?.([], messageOf(error));
      return undefined;
    });
    if (destination === undefined || client.isClosed) {
      destination?.release();
      client.socket.terminate();
      return;
    }
    const { targets, preamble } = destination;
    const upstream = await connected(targets, limits.connectMs, (reason) =>
      onUnreachable?.(targets, reason),
    );
    if (upstream === undefined || client.isClosed) {
      destination.release();
      client.socket.terminate();
      upstream?.socket.terminate();
      return;
    }
    releases.set(client, () => destination.release());
    if (preamble !== undefined) {
      client.waiting = client.waiting ? Buffer.concat([preamble, client.waiting]) : preamble;
    }
    join(client, upstream);
  }

  const releases = new WeakMap<RelayEnd, () => void>();
  const listener = listen(
    { hostname, port },
    {
      open(socket) {
        const client = relayEnd(socket);
        socket.data = client;
        if (clients.size >= limits.maxConnections) {
          socket.terminate();
          return;
        }
        clients.add(client);
        socket.pause();
        const { remoteAddress, remotePort, localAddress, localPort } = socket;
        const parties = {
          client: { address: remoteAddress, port: remotePort },
          server: { address: localAddress, port: localPort },
        };
        void serve(client, parties);
      },
      ...relayHandlers((client) => {
        clients.delete(client);
        leaving.get(client)?.abort(new Error("the client has left"));
        releases.get(client)?.();
      }),
    },
  );

  const sweep = setInterval(
    () => {
      const now = performance.now();
      for (const client of clients) {
        const lastAtMs = Math.max(client.lastAtMs, client.peer?.lastAtMs ?? 0);
        const isHalf = client.hasEnded || client.peer?.hasEnded === true;
        if (now - lastAtMs > (isHalf ? limits.halfOpenIdleMs : limits.idleMs)) cut(client);
      }
    },
    Math.min(SWEEP_MS, limits.halfOpenIdleMs),
  );
  sweep.unref();

  return {
    port: listener.port,
    connections: () => clients.size,
    async close(graceMs) {
      listener.stop();
      const deadline = performance.now() + graceMs;
      while (clients.size > 0 && performance.now() < deadline) await Bun.sleep(20);
      for (const client of clients) cut(client);
      clearInterval(sweep);
    },
  };
}

function listen(
  at: { readonly hostname: string; readonly port: number },
  socket: Bun.SocketHandler<RelayEnd | undefined>,
): TCPSocketListener<RelayEnd | undefined> {
  try {
    return Bun.listen({ ...at, allowHalfOpen: true, data: undefined, socket });
  } catch (error) {
    throw new FksError("Conflict", `${at.hostname}:${at.port} is taken: ${messageOf(error)}`, {
      cause: error,
    });
  }
}

function relayHandlers(onGone: (end: RelayEnd) => void) {
  return {
    data(socket: Client, chunk: Uint8Array) {
      if (socket.data !== undefined) onData(socket.data, chunk);
    },
    drain(socket: Client) {
      if (socket.data !== undefined) onDrain(socket.data);
    },
    end(socket: Client) {
      if (socket.data !== undefined) onEnd(socket.data);
    },
    // Whatever went wrong, the end of the socket follows.
    error() {},
    close({ data: end }: Client, error?: Error) {
      if (end === undefined) return;
      onClose(end, error !== undefined);
      onGone(end);
    },
  };
}

/** The first target that takes a connection; undefined when none does. */
async function connected(
  targets: readonly Endpoint[],
  connectMs: number,
  onFailure: (reason: string) => void,
): Promise<RelayEnd | undefined> {
  let reason = "there is no endpoint";
  for (const target of targets) {
    const outcome = await dial(target, connectMs);
    if (typeof outcome !== "string") return outcome;
    reason = outcome;
  }
  onFailure(reason);
  return undefined;
}

/** A connection that nobody reads from yet, or why there is none. */
async function dial({ address, port }: Endpoint, connectMs: number): Promise<RelayEnd | string> {
  const late = Promise.withResolvers<string>();
  const timer = setTimeout(() => late.resolve(`${address} does not answer`), connectMs);
  const dialling = Bun.connect<RelayEnd | undefined>({
    hostname: address,
    port,
    allowHalfOpen: true,
    data: undefined,
    socket: {
      open(socket) {
        socket.data = relayEnd(socket);
        socket.pause();
      },
      ...relayHandlers(() => {}),
      connectError() {},
    },
  }).then((socket) => socket.data ?? relayEnd(socket), messageOf);
  const outcome = await Promise.race([dialling, late.promise]);
  clearTimeout(timer);
  if (typeof outcome === "string") void endWhenThere(dialling);
  return outcome;
}

/** A connection that comes too late is nobody's. */
async function endWhenThere(dialling: Promise<RelayEnd | string>): Promise<void> {
  const outcome = await dialling;
  if (typeof outcome !== "string") outcome.socket.terminate();
}

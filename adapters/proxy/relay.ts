import type { Socket } from "bun";

/**
 * One of two sockets whose bytes go to each other. A chunk that the other side has not taken waits
 * here, and nothing more is read until it is gone: a slow reader costs one chunk, however much is sent.
 */
export interface RelayEnd {
  readonly socket: Socket<RelayEnd | undefined>;
  /** Undefined until the other side is connected. */
  peer: RelayEnd | undefined;
  /** Read from `socket`, not yet taken by the peer. */
  waiting: Uint8Array | undefined;
  /** The other side of `socket` sends nothing more. */
  hasEnded: boolean;
  isClosed: boolean;
  /** Of the relay's last byte in either direction, by `performance.now()`. */
  lastAtMs: number;
}

export function relayEnd(socket: Socket<RelayEnd | undefined>): RelayEnd {
  return {
    socket,
    peer: undefined,
    waiting: undefined,
    hasEnded: false,
    isClosed: false,
    lastAtMs: performance.now(),
  };
}

/** From now on each one's bytes are the other's; what waited goes first. */
export function join(one: RelayEnd, other: RelayEnd): void {
  one.peer = other;
  other.peer = one;
  for (const end of [one, other]) onDrain(end);
}

/** Bytes came. */
export function onData(from: RelayEnd, chunk: Uint8Array): void {
  from.lastAtMs = performance.now();
  const { peer } = from;
  if (peer === undefined || from.waiting !== undefined) {
    keep(from, chunk);
    return;
  }
  const taken = Math.max(0, peer.socket.write(chunk));
  if (taken < chunk.length) keep(from, chunk.subarray(taken));
}

/** `to` can take bytes again. */
export function onDrain(to: RelayEnd): void {
  const from = to.peer;
  if (from === undefined) return;
  if (from.waiting !== undefined) {
    const { waiting } = from;
    const taken = Math.max(0, to.socket.write(waiting));
    from.waiting = taken < waiting.length ? waiting.subarray(taken) : undefined;
    from.lastAtMs = performance.now();
    if (from.waiting !== undefined) return;
  }
  if (!from.isClosed && !from.hasEnded) from.socket.resume();
  if (from.isClosed) to.socket.end();
  else if (from.hasEnded) to.socket.shutdown();
}

/** The other side of the socket sends nothing more; it may still read. */
export function onEnd(from: RelayEnd): void {
  from.hasEnded = true;
  if (from.waiting === undefined) from.peer?.socket.shutdown();
}

/**
 * The socket is gone. After a reset its peer is reset, too; after an orderly end, which Bun tells by
 * this alone where our own side had ended before, what waits still arrives.
 */
export function onClose(from: RelayEnd, wasReset: boolean): void {
  from.isClosed = true;
  const { peer } = from;
  if (peer === undefined || peer.isClosed) return;
  if (wasReset) peer.socket.terminate();
  else if (from.waiting === undefined) peer.socket.end();
}

/** Both sides at once, at once. */
export function cut(end: RelayEnd): void {
  end.socket.terminate();
  end.peer?.socket.terminate();
}

/** The buffer a chunk comes in is used again, so what waits is a copy. */
function keep(from: RelayEnd, chunk: Uint8Array): void {
  const { waiting } = from;
  from.waiting = waiting === undefined ? chunk.slice() : Buffer.concat([waiting, chunk]);
  from.socket.pause();
}

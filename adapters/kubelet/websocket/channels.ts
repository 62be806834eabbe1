import type { WebSocket } from "ws";
import type { Clock } from "#core/ports/clock.ts";
import { holdBack } from "../flow.ts";
import type { SessionScope } from "../remote-streams.ts";

/** What may wait in memory for a slow client, and what a slow command may leave unread. */
const HELD_MAX_BYTES = 262_144;
const CLOSE_CHANNEL = 255;

export interface Channels {
  /** Bytes of one channel from the client. Ask before the first of them can arrive. */
  readable(channel: number): ReadableStream<Uint8Array>;
  writable(channel: number): WritableStream<Uint8Array>;
  /** Aborts when the client is gone. */
  readonly signal: AbortSignal;
  /** Says goodbye; resolves when the client is gone. */
  close(): Promise<void>;
}

interface ChannelsOptions {
  /** Text messages: the channel as a digit, the payload in base64. */
  readonly isBase64: boolean;
  /** Version 5: a message `[255, n]` ends channel n. */
  readonly hasClose: boolean;
  readonly scope: SessionScope;
  readonly clock: Clock;
}

/** Kubernetes' channels: each message is the number of a channel and a payload. */
export function websocketChannels(ws: WebSocket, options: ChannelsOptions): Channels {
  const { isBase64, hasClose, scope, clock } = options;
  const inputs = new Map<number, ReadableStreamDefaultController<Uint8Array>>();
  const held = holdBack(ws, clock, () => {
    if (ws.readyState === ws.OPEN) ws.ping();
  });
  const gone = new AbortController();
  const over = Promise.withResolvers<void>();

  function end(channel: number): void {
    inputs.get(channel)?.close();
    inputs.delete(channel);
  }

  function receive(message: Buffer): void {
    const [channel, payload] = isBase64 ? textMessage(message) : binaryMessage(message);
    if (channel === CLOSE_CHANNEL && hasClose) return end(payload[0] ?? 0);
    const input = inputs.get(channel);
    if (input === undefined || payload.length === 0) return;
    input.enqueue(payload);
    if ((input.desiredSize ?? 1) <= 0) held.set(channel, true);
  }

  ws.on("message", (data) => {
    scope.active();
    receive(bytesOf(data));
  });
  // A broken peer; `close` follows and settles everything.
  ws.on("error", () => ws.terminate());
  ws.once("close", () => {
    const reason = new Error("the client closed the connection");
    for (const input of inputs.values()) input.error(reason);
    inputs.clear();
    gone.abort(reason);
    held.release();
    over.resolve();
  });
  scope.signal.addEventListener("abort", () => ws.terminate(), { once: true });

  return {
    signal: gone.signal,
    close() {
      // The client's own goodbye must be read, also when its input was held back.
      held.release();
      ws.close(1000);
      return over.promise;
    },
    readable: (channel) =>
      new ReadableStream<Uint8Array>(
        {
          start: (controller) => void inputs.set(channel, controller),
          pull: () => held.set(channel, false),
          cancel: () => {
            inputs.delete(channel);
            held.set(channel, false);
          },
        },
        new ByteLengthQueuingStrategy({ highWaterMark: HELD_MAX_BYTES }),
      ),
    writable: (channel) =>
      new WritableStream<Uint8Array>({
        write(chunk) {
          scope.active();
          return sent(ws, isBase64 ? asText(channel, chunk) : asBinary(channel, chunk));
        },
      }),
  };
}

/** Resolves at once while the client keeps up, and once the message is out when it does not. */
export function sent(ws: WebSocket, message: string | Uint8Array): Promise<void> | undefined {
  if (ws.readyState !== ws.OPEN) return undefined;
  const { promise, resolve } = Promise.withResolvers<void>();
  ws.send(message, () => resolve());
  return ws.bufferedAmount > HELD_MAX_BYTES ? promise : undefined;
}

export function bytesOf(data: Buffer | ArrayBuffer | Buffer[]): Buffer {
  if (Array.isArray(data)) return Buffer.concat(data);
  return data instanceof ArrayBuffer ? Buffer.from(data) : data;
}

function binaryMessage(message: Buffer): [channel: number, payload: Buffer] {
  return [message[0] ?? CLOSE_CHANNEL, message.subarray(1)];
}

function textMessage(message: Buffer): [channel: number, payload: Buffer] {
  const text = message.toString("latin1");
  return [Number(text[0] ?? CLOSE_CHANNEL), Buffer.from(text.slice(1), "base64")];
}

function asBinary(channel: number, chunk: Uint8Array): Uint8Array {
  const message = Buffer.allocUnsafe(chunk.length + 1);
  message[0] = channel;
  message.set(chunk, 1);
  return message;
}

function asText(channel: number, chunk: Uint8Array): string {
  return `${channel}${Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length).toString("base64")}`;
}

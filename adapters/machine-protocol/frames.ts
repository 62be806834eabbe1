/** Channels of the protocol's WebSockets; the first byte of each message names one. */
export const CHANNEL = {
  toMachine: 0,
  stdout: 1,
  stderr: 2,
  end: 3,
  resize: 4,
  close: 255,
} as const;

export const SUBPROTOCOL = "v5.channel.k8s.io";

export interface Frame {
  readonly channel: number;
  readonly payload: Uint8Array;
}

export function encodeFrame(channel: number, payload: Uint8Array): Uint8Array<ArrayBuffer> {
  const frame = new Uint8Array(payload.length + 1);
  frame[0] = channel;
  frame.set(payload, 1);
  return frame;
}

/** `undefined` for a message without a channel. */
export function decodeFrame(message: Uint8Array): Frame | undefined {
  const [channel] = message;
  return channel === undefined ? undefined : { channel, payload: message.subarray(1) };
}

/** The half of a stream's reader that reads. */
export interface Reader<T> {
  read(): Promise<
    | { readonly done: true; readonly value?: T | undefined }
    | { readonly done: false; readonly value: T }
  >;
}

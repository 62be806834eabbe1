/** The health protocol of gRPC over as much of HTTP/2 as one call needs. */
import type { Handler } from "#core/fly/machine-protocol.ts";
import type { MachineAddress } from "../runtime/runtime.ts";
import { type Dial, hostPort } from "./dial.ts";
import { type Outcome, SUCCESS } from "./outcome.ts";
import { plainWire, type Wire } from "./wire.ts";

type GrpcHandler = Extract<Handler, { readonly kind: "grpc" }>;

const PREFACE = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const FRAME_HEAD_BYTES = 9;
/** A health answer has a few bytes; a server that sends more is not one. */
const RECEIVED_MAX_BYTES = 256 * 1024;

const DATA = 0;
const HEADERS = 1;
const RST_STREAM = 3;
const SETTINGS = 4;
const PING = 6;
const GOAWAY = 7;

const ACK = 0x1;
const END_STREAM = 0x1;
const END_HEADERS = 0x4;
const PADDED = 0x8;

/** By the numbers of `grpc.health.v1.HealthCheckResponse.ServingStatus`. */
const STATUSES = ["UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN"];

/** Asks `grpc.health.v1.Health/Check`; only `SERVING` is a success. Throws when nobody answers. */
export async function healthOf(
  dial: Dial,
  { port, service }: GrpcHandler,
  { ipv6 }: MachineAddress,
): Promise<Outcome> {
  const { connection } = await dial({ port });
  const wire = plainWire(connection);
  try {
    await wire.send(requestFor(hostPort(ipv6, port), service));
    const message = await answerOf(wire);
    if (message === undefined) {
      const unimplemented =
        "error: this server does not implement the grpc health protocol (grpc.health.v1.Health), or does not know the service";
      return { is: "failure", message: unimplemented };
    }
    const status = STATUSES[statusIn(message)] ?? "UNKNOWN";
    if (status === "SERVING") return SUCCESS;
    return { is: "failure", message: `service unhealthy (responded with "${status}")` };
  } finally {
    wire.close();
  }
}

function requestFor(authority: string, service: string): Uint8Array {
  const name = Buffer.from(service);
  const message =
    name.length === 0 ? name : Buffer.concat([Buffer.from([0x0a]), varint(name.length), name]);
  const prefix = Buffer.alloc(5);
  prefix.writeUInt32BE(message.length, 1);
  const headers = Buffer.concat([
    // `:method POST` and `:scheme http` of the static table, the rest literal and not remembered.
    Buffer.from([0x83, 0x86]),
    literal(4, "/grpc.health.v1.Health/Check"),
    literal(1, authority),
    named("content-type", "application/grpc"),
    named("te", "trailers"),
    named("user-agent", "kube-probe/1.36"),
  ]);
  return Buffer.concat([
    Buffer.from(PREFACE),
    frame(SETTINGS, 0, 0, Buffer.alloc(0)),
    frame(HEADERS, END_HEADERS, 1, headers),
    frame(DATA, END_STREAM, 1, Buffer.concat([prefix, message])),
  ]);
}

function frame(type: number, flags: number, stream: number, payload: Uint8Array): Uint8Array {
  const head = Buffer.alloc(FRAME_HEAD_BYTES);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

function literal(nameIndex: number, value: string): Uint8Array {
  return Buffer.concat([Buffer.from([nameIndex]), hpackText(value)]);
}

function named(name: string, value: string): Uint8Array {
  return Buffer.concat([Buffer.from([0]), hpackText(name), hpackText(value)]);
}

/** All of ours are shorter than the 127 bytes that would need a longer length. */
function hpackText(text: string): Uint8Array {
  return Buffer.concat([Buffer.from([text.length]), Buffer.from(text)]);
}

function varint(value: number): Uint8Array {
  const bytes: number[] = [];
  for (let rest = value; ; rest >>>= 7) {
    if (rest < 0x80) return Buffer.from([...bytes, rest]);
    bytes.push((rest & 0x7f) | 0x80);
  }
}

/** The message on our stream; undefined when the call ended without one. */
async function answerOf(wire: Wire): Promise<Uint8Array | undefined> {
  let bytes: Buffer = Buffer.alloc(0);
  let data: Buffer = Buffer.alloc(0);
  for (let received = 0; received < RECEIVED_MAX_BYTES; ) {
    while (bytes.length >= FRAME_HEAD_BYTES) {
      const size = bytes.readUIntBE(0, 3);
      if (bytes.length < FRAME_HEAD_BYTES + size) break;
      const type = bytes.readUInt8(3);
      const flags = bytes.readUInt8(4);
      const payload = bytes.subarray(FRAME_HEAD_BYTES, FRAME_HEAD_BYTES + size);
      bytes = bytes.subarray(FRAME_HEAD_BYTES + size);
      if (type === SETTINGS && (flags & ACK) === 0) {
        await wire.send(frame(SETTINGS, ACK, 0, Buffer.alloc(0)));
      }
      if (type === PING && (flags & ACK) === 0) await wire.send(frame(PING, ACK, 0, payload));
      if (type === RST_STREAM || type === GOAWAY) return complete(data);
      if (type === DATA) data = Buffer.concat([data, unpadded(payload, flags)]);
      const message = complete(data);
      if (message !== undefined) return message;
      if ((type === DATA || type === HEADERS) && (flags & END_STREAM) !== 0) return undefined;
    }
    const chunk = await wire.receive();
    if (chunk === undefined) throw new Error("connection closed before the answer");
    received += chunk.length;
    bytes = Buffer.concat([bytes, chunk]);
  }
  throw new Error("the answer is too long");
}

function unpadded(payload: Buffer, flags: number): Buffer {
  if ((flags & PADDED) === 0 || payload.length === 0) return payload;
  return payload.subarray(1, Math.max(1, payload.length - payload.readUInt8(0)));
}

/** The first message once all of it is there; a compressed one cannot be read. */
function complete(data: Buffer): Uint8Array | undefined {
  if (data.length < 5 || data[0] !== 0) return undefined;
  const size = data.readUInt32BE(1);
  return data.length < 5 + size ? undefined : data.subarray(5, 5 + size);
}

/** Field 1, a small number; 0 when it is not there. */
function statusIn(message: Uint8Array): number {
  return message[0] === 0x08 ? (message[1] ?? 0) : 0;
}

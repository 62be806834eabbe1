import { dlopen, ptr } from "bun:ffi";
import { closeSync } from "node:fs";
import { FksError } from "#core/errors.ts";
import { canonicalIp } from "#core/fly/ip.ts";
import type { Target } from "#core/service/route.ts";
import type { Flow } from "./flows.ts";

/** Source: linux/netlink.h, linux/netfilter/nfnetlink_conntrack.h. All of it in the host's byte order but addresses and ports. */
const AF_NETLINK = 16;
const SOCK_RAW_CLOEXEC = 0x8_0003;
const NETLINK_NETFILTER = 12;
const GET = 0x101;
const DELETE = 0x102;
const NLM_F_REQUEST = 1;
const NLM_F_DUMP = 0x300;
const NLMSG_ERROR = 2;
const NLMSG_DONE = 3;
const HEADER_BYTES = 20;
const CTA_TUPLE_ORIG = 1;
const CTA_TUPLE_REPLY = 2;
const UDP = 17;
const BUFFER_BYTES = 65_536;

const libc = dlopen("libc.so.6", {
  socket: { args: ["i32", "i32", "i32"], returns: "i32" },
  send: { args: ["i32", "ptr", "usize", "i32"], returns: "i64" },
  recv: { args: ["i32", "ptr", "usize", "i32"], returns: "i64" },
}).symbols;

/**
 * Ends the UDP flows that `isStale` of in a network namespace; how many there were.
 *
 * `within` makes the socket: it belongs to the namespace the thread is in then. Throws
 * `Unavailable` when the kernel does not answer.
 */
export function endUdpFlows(
  within: <T>(make: () => T) => T,
  isStale: (flow: Flow) => boolean,
): number {
  const socket = within(() => libc.socket(AF_NETLINK, SOCK_RAW_CLOEXEC, NETLINK_NETFILTER));
  if (socket < 0) throw new FksError("Unavailable", "cannot ask the kernel for its connections");
  try {
    const stale = udpFlows(socket).filter(({ flow }) => isStale(flow));
    for (const { family, original } of stale) send(socket, DELETE, 0, family, original);
    return stale.length;
  } finally {
    closeSync(socket);
  }
}

interface Entry {
  readonly flow: Flow;
  readonly family: number;
  /** The attribute that names the entry, as the kernel wrote it. */
  readonly original: Uint8Array;
}

function udpFlows(socket: number): readonly Entry[] {
  send(socket, GET, NLM_F_DUMP, 0, new Uint8Array());
  const entries: Entry[] = [];
  const buffer = new Uint8Array(BUFFER_BYTES);
  for (;;) {
    const got = Number(libc.recv(socket, ptr(buffer), BUFFER_BYTES, 0));
    if (got <= 0) throw new FksError("Unavailable", "the kernel does not tell its connections");
    for (const message of messagesIn(buffer.slice(0, got))) {
      if (message.type === NLMSG_DONE) return entries;
      if (message.type === NLMSG_ERROR) {
        throw new FksError("Unavailable", "the kernel refuses to tell its connections");
      }
      const entry = entryIn(message.body);
      if (entry !== undefined) entries.push(entry);
    }
  }
}

function send(
  socket: number,
  type: number,
  flags: number,
  family: number,
  attributes: Uint8Array,
): void {
  const message = new Uint8Array(HEADER_BYTES + attributes.length);
  const view = new DataView(message.buffer);
  view.setUint32(0, message.length, true);
  view.setUint16(4, type, true);
  view.setUint16(6, NLM_F_REQUEST | flags, true);
  message[16] = family;
  message.set(attributes, HEADER_BYTES);
  if (Number(libc.send(socket, ptr(message), message.length, 0)) < 0) {
    throw new FksError("Unavailable", "cannot ask the kernel about its connections");
  }
}

interface Message {
  readonly type: number;
  /** From the byte that tells the family. */
  readonly body: Uint8Array;
}

function* messagesIn(bytes: Uint8Array): Generator<Message> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  for (let at = 0; at + 16 <= bytes.length; ) {
    const length = view.getUint32(at, true);
    if (length < 16) return;
    yield { type: view.getUint16(at + 4, true), body: bytes.subarray(at + 16, at + length) };
    at += aligned(length);
  }
}

function entryIn(body: Uint8Array): Entry | undefined {
  const attributes = attributesIn(body.subarray(4));
  const original = attributes.get(CTA_TUPLE_ORIG);
  const reply = attributes.get(CTA_TUPLE_REPLY);
  if (original === undefined || reply === undefined) return undefined;
  const asked = sideOf(original.value, "to");
  const answers = sideOf(reply.value, "from");
  if (asked === undefined || answers === undefined) return undefined;
  return { flow: { asked, answers }, family: body[0] ?? 0, original: original.whole };
}

/** One end of a tuple; undefined unless it is UDP. */
function sideOf(tuple: Uint8Array, end: "from" | "to"): Target | undefined {
  const parts = attributesIn(tuple);
  const ip = attributesIn(parts.get(1)?.value ?? tuple.subarray(0, 0));
  const proto = attributesIn(parts.get(2)?.value ?? tuple.subarray(0, 0));
  if (proto.get(1)?.value[0] !== UDP) return undefined;
  const offset = end === "from" ? 0 : 1;
  const address = ip.get(1 + offset)?.value ?? ip.get(3 + offset)?.value;
  const port = proto.get(2 + offset)?.value;
  if (address === undefined || port === undefined) return undefined;
  return { address: addressText(address), port: ((port[0] ?? 0) << 8) | (port[1] ?? 0) };
}

function addressText(bytes: Uint8Array): string {
  if (bytes.length === 4) return bytes.join(".");
  const groups = Array.from({ length: 8 }, (_, at) =>
    (((bytes[at * 2] ?? 0) << 8) | (bytes[at * 2 + 1] ?? 0)).toString(16),
  );
  return canonicalIp(groups.join(":")) ?? "";
}

interface Attribute {
  readonly value: Uint8Array;
  /** With its header. */
  readonly whole: Uint8Array;
}

function attributesIn(bytes: Uint8Array): ReadonlyMap<number, Attribute> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const found = new Map<number, Attribute>();
  for (let at = 0; at + 4 <= bytes.length; ) {
    const length = view.getUint16(at, true);
    if (length < 4 || at + length > bytes.length) break;
    // The two highest bits are flags.
    const type = view.getUint16(at + 2, true) & 0x3fff;
    const whole = bytes.subarray(at, at + length);
    found.set(type, { value: whole.subarray(4), whole });
    at += aligned(length);
  }
  return found;
}

function aligned(length: number): number {
  return Math.ceil(length / 4) * 4;
}

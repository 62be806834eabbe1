import ipaddr from "ipaddr.js";

/** Who a connection is from and whom it asked for, as the first proxy saw it. */
export interface Parties {
  readonly client: Endpoint;
  readonly server: Endpoint;
}

export interface Endpoint {
  readonly address: string;
  readonly port: number;
}

export type ProxyHeader =
  | { readonly kind: "parties"; readonly parties: Parties; readonly bytes: number }
  /** The proxy speaks for itself, such as in a health check: take the connection's own addresses. */
  | { readonly kind: "local"; readonly bytes: number }
  | { readonly kind: "incomplete" }
  | { readonly kind: "wrong"; readonly reason: string };

/** Source: haproxy.org, "The PROXY protocol", section 2.2. */
const SIGNATURE = [0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a];
const FIXED_BYTES = 16;
const VERSION_2 = 0x20;
const LOCAL = 0x0;
const PROXY = 0x1;
const STREAM = 0x1;
const FAMILIES = [
  { code: 0x1, addressBytes: 4 },
  { code: 0x2, addressBytes: 16 },
] as const;
/** Longer ones are no header that anybody sends. */
const REST_MAX_BYTES = 4_096;
/** Source: the same, section 2.1: the longest line of version 1. */
const LINE_MAX_BYTES = 107;

/** The header of version 2 for a TCP connection. Addresses of two families are both told as IPv6. */
export function proxyHeaderV2({ client, server }: Parties): Uint8Array {
  const both = [client, server].map(({ address }) => ipaddr.parse(address));
  const isIpv4 = both.every((parsed) => parsed.kind() === "ipv4");
  const [source = [], destination = []] = both.map((parsed) => bytesOf(parsed, isIpv4));
  const rest = [...source, ...destination, ...portBytes(client), ...portBytes(server)];
  const family = isIpv4 ? 0x1 : 0x2;
  return Uint8Array.from([
    ...SIGNATURE,
    VERSION_2 | PROXY,
    (family << 4) | STREAM,
    rest.length >>> 8,
    rest.length & 0xff,
    ...rest,
  ]);
}

/** The line of version 1. */
export function proxyHeaderV1({ client, server }: Parties): Uint8Array {
  const both = [client, server].map(({ address }) => ipaddr.parse(address));
  const isIpv4 = both.every((parsed) => parsed.kind() === "ipv4");
  const [source, destination] = both.map((parsed) => textOf(parsed, isIpv4));
  const words = ["PROXY", isIpv4 ? "TCP4" : "TCP6", source, destination, client.port, server.port];
  return new TextEncoder().encode(`${words.join(" ")}\r\n`);
}

/** What a connection begins with, version 1 or 2. Total: never throws, reads no further than needed. */
export function proxyHeaderIn(bytes: Uint8Array): ProxyHeader {
  const isV2 = SIGNATURE.every((byte, at) => at >= bytes.length || bytes[at] === byte);
  if (isV2) return bytes.length < FIXED_BYTES ? { kind: "incomplete" } : binaryHeader(bytes);
  return lineHeader(bytes);
}

function binaryHeader(bytes: Uint8Array): ProxyHeader {
  const [version = 0, family = 0, high = 0, low = 0] = bytes.subarray(12, FIXED_BYTES);
  if ((version & 0xf0) !== VERSION_2) return wrong("it is of another version");
  const length = (high << 8) | low;
  if (length > REST_MAX_BYTES) return wrong(`it is ${length} bytes long`);
  const end = FIXED_BYTES + length;
  if (bytes.length < end) return { kind: "incomplete" };
  if ((version & 0x0f) === LOCAL) return { kind: "local", bytes: end };
  if ((version & 0x0f) !== PROXY) return wrong("its command is unknown");
  const known = FAMILIES.find(({ code }) => code === family >>> 4);
  // Other families and transports tell nothing that we understand.
  if (known === undefined || (family & 0x0f) !== STREAM) return { kind: "local", bytes: end };
  const { addressBytes } = known;
  if (length < 2 * addressBytes + 4) return wrong("its addresses are cut off");
  const addresses = [0, 1].map((at) => {
    const from = FIXED_BYTES + at * addressBytes;
    return ipaddr.fromByteArray([...bytes.subarray(from, from + addressBytes)]).toString();
  });
  const ports = FIXED_BYTES + 2 * addressBytes;
  const portAt = (at: number): number => ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0);
  const [client = "", server = ""] = addresses;
  const parties = {
    client: { address: client, port: portAt(ports) },
    server: { address: server, port: portAt(ports + 2) },
  };
  return { kind: "parties", parties, bytes: end };
}

const LINE = /^PROXY (TCP4|TCP6|UNKNOWN)(?: (\S+) (\S+) (\d{1,5}) (\d{1,5}))?$/;

function lineHeader(bytes: Uint8Array): ProxyHeader {
  const head = new TextDecoder("latin1").decode(bytes.subarray(0, LINE_MAX_BYTES));
  if (!"PROXY ".startsWith(head.slice(0, 6))) return wrong("there is none");
  const end = head.indexOf("\r\n");
  if (end < 0)
    return head.length < LINE_MAX_BYTES ? { kind: "incomplete" } : wrong("it has no end");
  const text = head.slice(0, end);
  if (text.startsWith("PROXY UNKNOWN")) return { kind: "local", bytes: end + 2 };
  const [, family, from = "", to = "", fromPort = "", toPort = ""] = LINE.exec(text) ?? [];
  const kind = family === "TCP4" ? "ipv4" : "ipv6";
  const isGood =
    [from, to].every(
      (address) => ipaddr.isValid(address) && ipaddr.parse(address).kind() === kind,
    ) && [fromPort, toPort].every((port) => Number(port) <= 65_535);
  if (!isGood) return wrong("its line cannot be read");
  const parties = {
    client: { address: from, port: Number(fromPort) },
    server: { address: to, port: Number(toPort) },
  };
  return { kind: "parties", parties, bytes: end + 2 };
}

function wrong(reason: string): ProxyHeader {
  return { kind: "wrong", reason };
}

type Parsed = ipaddr.IPv4 | ipaddr.IPv6;

function bytesOf(parsed: Parsed, isIpv4: boolean): readonly number[] {
  if (isIpv4) return parsed.toByteArray();
  return (parsed instanceof ipaddr.IPv4 ? parsed.toIPv4MappedAddress() : parsed).toByteArray();
}

function textOf(parsed: Parsed, isIpv4: boolean): string {
  if (isIpv4) return parsed.toString();
  return (parsed instanceof ipaddr.IPv4 ? parsed.toIPv4MappedAddress() : parsed).toString();
}

function portBytes({ port }: Endpoint): readonly number[] {
  return [port >>> 8, port & 0xff];
}

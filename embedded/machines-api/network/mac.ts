import ipaddr from "ipaddr.js";

/**
 * A locally administered MAC that follows from an IPv6 address, so that a returning address never
 * meets a stale neighbour entry. Its last bytes are the address' groups before and at the serial.
 */
export function macFor(ipv6: string): string {
  const bytes = ipaddr.IPv6.parse(ipv6).toByteArray();
  const [a = 0, b = 0, c = 0, d = 0] = bytes.slice(10, 14);
  const tail = [a, b, c, d, bytes[15] ?? 0];
  return ["02", ...tail.map((byte) => byte.toString(16).padStart(2, "0"))].join(":");
}

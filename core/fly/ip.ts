import ipaddr from "ipaddr.js";

const { IPv4, IPv6 } = ipaddr;

/** An address as RFC 5952 writes it, which is how Kubernetes does; undefined when it is none. Pure. */
export function canonicalIp(text: string): string | undefined {
  if (IPv4.isValidFourPartDecimal(text)) return text;
  return IPv6.isValid(text) ? IPv6.parse(text).toRFC5952String() : undefined;
}

/** Whether an address is in an IPv6 range, `fdaa:1:2:0:1::/112`. Pure. */
export function isInRange(text: string, range: string): boolean {
  return IPv6.isValid(text) && IPv6.parse(text).match(IPv6.parseCIDR(range));
}

/** The address with this number (0 is the first) of an IPv6 range, as RFC 5952 writes it. Pure. */
export function ipInRange(range: string, number: number): string {
  const bytes = IPv6.networkAddressFromCIDR(range).toByteArray();
  for (let at = 15, rest = number; rest > 0 && at >= 0; at -= 1, rest = Math.floor(rest / 256)) {
    bytes[at] = (bytes[at] ?? 0) + (rest % 256);
  }
  return new IPv6(bytes).toRFC5952String();
}

/** Which number an address has in an IPv6 range that holds it. Pure. */
export function numberInRange(range: string, ip: string): number {
  const first = IPv6.networkAddressFromCIDR(range).toByteArray();
  return IPv6.parse(ip)
    .toByteArray()
    .reduce((number, byte, at) => number * 256 + byte - (first[at] ?? 0), 0);
}

/** How many addresses an IPv6 range has; 2³² where it has more. Pure. */
export function sizeOfRange(range: string): number {
  const [, bits] = IPv6.parseCIDR(range);
  return 2 ** Math.min(32, 128 - bits);
}

/** Whether an address is in a range of its own family; IPv4 in IPv6's clothes is IPv4. Pure. */
export function isInCidr(text: string, range: string): boolean {
  if (!ipaddr.isValid(text) || !ipaddr.isValidCIDR(range)) return false;
  const address = ipaddr.process(text);
  const [network, bits] = ipaddr.parseCIDR(range);
  return address.kind() === network.kind() && address.match(network, bits);
}

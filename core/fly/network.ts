import ipaddr from "ipaddr.js";
import { canonicalIp } from "./ip.ts";

/**
 * Every address and name an instance uses on its host, from its network id alone, so that two
 * instances never meet. The form of the addresses is Fly's: `fdaa:<net>:<host>:<machine>:2`.
 */
export interface NetworkPlan {
  /** Eight hexadecimal characters. */
  readonly id: string;
  /** The /48 that holds everything of this instance. */
  readonly prefix: string;
  /** Where ClusterIPs come from: Fly's flycast range of this network. */
  readonly serviceRange: string;
  /** The API server's own address, on the host end of the router link. */
  readonly apiServer: string;
  /** Host and router ends of the link between them, inside `prefix`. */
  readonly hostLink: string;
  readonly routerLink: string;
  /** Fly's resolver address; it is held by the router's namespace. */
  readonly resolver: string;
  readonly routerNetns: string;
  /** Interface names, at most fifteen characters. */
  readonly hostInterface: string;
  readonly routerInterface: string;
  readonly nftTable: string;
  /** Below the root of each cgroup hierarchy. */
  readonly cgroup: string;
  /** On a tmpfs: state of the OCI runtime, volumes that hold secrets. */
  readonly runDir: string;
}

/** Fly's resolver, the same address in every network. */
export const RESOLVER = "fdaa::3";

/** The plan of network `id`, eight lower-case hexadecimal characters. Pure. */
export function networkPlanFor(id: string): NetworkPlan {
  const net = `fdaa:${group(id.slice(0, 4))}:${group(id.slice(4))}`;
  return {
    id,
    prefix: `${net}::/48`,
    serviceRange: `${net}:0:1::/112`,
    apiServer: `${net}:ffff::1`,
    hostLink: `${net}:ffff::2`,
    routerLink: `${net}:ffff::3`,
    resolver: RESOLVER,
    routerNetns: `fks-${id}`,
    hostInterface: `fks${id}`,
    routerInterface: `fksr${id}`,
    nftTable: `fks_${id}`,
    cgroup: `fks-${id}`,
    runDir: `/run/fks-${id}`,
  };
}

/** The InternalIP of the Node with this index (0 to 4095): one address of the host for each. */
export function nodeAddressFor(id: string, index: number): string {
  return `fdaa:${group(id.slice(0, 4))}:${group(id.slice(4))}:ffff::1:${index.toString(16)}`;
}

/** Where the router takes connections to NodePorts of the Node with this index: nobody holds it. */
export function nodePortAddressFor(id: string, index: number): string {
  return `fdaa:${group(id.slice(0, 4))}:${group(id.slice(4))}:ffff::2:${index.toString(16)}`;
}

/** The 6PN address of the Machine with this serial number (1 to 2³²-1). */
export function machineAddressFor(id: string, serial: number): string {
  const net = `fdaa:${group(id.slice(0, 4))}:${group(id.slice(4))}`;
  const high = Math.floor(serial / 0x1_0000).toString(16);
  const low = (serial % 0x1_0000).toString(16);
  return `${net}:a7b:1:${high}:${low}:2`;
}

/** The private IPv4 of the Machine with this serial number: a /18 of 100.64.0.0/10 per network. */
export function machineIpv4For(id: string, serial: number): string {
  const block = Number.parseInt(id.slice(-2), 16);
  const host = (serial % 0x3ffd) + 2;
  return ipv4(0x6440_0000 + block * 0x4000 + host);
}

/** The private IPv4 that the Machine with this 6PN address has; undefined for any other address. */
export function machineIpv4Of(id: string, address: string): string | undefined {
  if (!ipaddr.IPv6.isValid(address)) return undefined;
  const { parts } = ipaddr.IPv6.parse(address);
  const serial = (parts[5] ?? 0) * 0x1_0000 + (parts[6] ?? 0);
  const isMachine = canonicalIp(machineAddressFor(id, serial)) === canonicalIp(address);
  return isMachine ? machineIpv4For(id, serial) : undefined;
}

interface Ipv4Range {
  readonly cidr: string;
  /** Its first address, and its last: by that one the host speaks to Machines where its own won't do. */
  readonly router: string;
  readonly host: string;
}

/** The /18 of private IPv4 addresses of this network. */
export function ipv4RangeFor(id: string): Ipv4Range {
  const base = 0x6440_0000 + Number.parseInt(id.slice(-2), 16) * 0x4000;
  return { cidr: `${ipv4(base)}/18`, router: ipv4(base + 1), host: ipv4(base + 0x3fff) };
}

function ipv4(value: number): string {
  return [24, 16, 8, 0].map((shift) => (value >>> shift) & 0xff).join(".");
}

/** The id of the network that an address of ours is in; undefined for any other. Pure. */
export function networkIdIn(address: string): string | undefined {
  const [, high, low] = /^\[?fdaa:([0-9a-f]{1,4}):([0-9a-f]{1,4}):/.exec(address) ?? [];
  return high && low && `${high.padStart(4, "0")}${low.padStart(4, "0")}`;
}

/** One group of an IPv6 address as it is written: no leading zeros. */
function group(hex: string): string {
  return Number.parseInt(hex, 16).toString(16);
}

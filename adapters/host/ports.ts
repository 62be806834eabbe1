import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { createServer, isIPv4 } from "node:net";
import ipaddr from "ipaddr.js";
import { FksError } from "#core/errors.ts";
import type { Listen } from "#core/ports/listen.ts";
import { commandLineOf } from "./process-identity.ts";

const LISTENING = "0A";
const PORTS_TRIED = 200;

interface Listener {
  readonly host: string;
  readonly port: number;
}

interface Choice {
  readonly host: string;
  /** The port that was asked for, and no other. */
  readonly wanted: number | undefined;
  /** Where the search begins when none was. */
  readonly first: number;
}

/**
 * The port that was asked for, else the first that can be had. To listen is to ask: a port that was
 * looked at before can be another instance's by then. Throws `Conflict` when the one asked for is
 * taken, naming the process; opening throws it when none of 200 is to be had.
 */
export async function portChoice({ host, wanted, first }: Choice): Promise<Listen> {
  if (wanted === undefined) return (open) => onFirstFree({ host, port: first }, open);
  await requireFreePort({ host, port: wanted });
  return (open) => open(wanted);
}

function onFirstFree<Server>({ host, port }: Listener, open: (port: number) => Server): Server {
  for (let candidate = port; candidate < port + PORTS_TRIED && candidate < 65_536; candidate++) {
    try {
      return open(candidate);
    } catch (error) {
      if (!isTaken(error)) throw error;
    }
  }
  throw new FksError("Conflict", `no free port on ${host} from ${port} on`);
}

function isTaken(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "EADDRINUSE";
}

/**
 * Throws `Conflict` naming the process that keeps `port` of `host` from being listened on, also
 * when it would share it, and when the host gets this address only later.
 */
export async function requireFreePort(listener: Listener): Promise<void> {
  if (await isFree(listener)) return;
  const { host, port } = listener;
  throw new FksError("Conflict", `port ${port} of ${host} is taken${byWhom(listener)}`);
}

function byWhom(listener: Listener): string {
  const pid = portHolder(listener);
  return pid === undefined
    ? ""
    : ` by process ${pid} (${commandLineOf(pid).replace(/\s+/g, " ").slice(0, 120)})`;
}

/** The process in our network namespace that is in the way; undefined when not to be seen. */
export function portHolder(listener: Listener): number | undefined {
  const inodes = new Set(rivalsOf(listener).map(({ inode }) => inode));
  if (inodes.size === 0) return undefined;
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .find((pid) => socketInodes(pid).some((inode) => inodes.has(inode)));
}

/** Our socket shares its port with nobody, so that one which would is in the way all the same. */
function isFree({ host, port }: Listener): Promise<boolean> {
  const server = createServer();
  const { promise, resolve, reject } = Promise.withResolvers<boolean>();
  server.once("error", (error) => {
    const code = "code" in error ? error.code : undefined;
    if (isTaken(error)) resolve(false);
    // Who listens on every address does so on one that this host gets later, too.
    else if (code === "EADDRNOTAVAIL") resolve(rivalsOf({ host, port }).length === 0);
    else reject(new FksError("Unavailable", `cannot listen on ${host}: ${error.message}`));
  });
  server.listen({ host, port, exclusive: true }, () => server.close(() => resolve(true)));
  return promise;
}

interface Socket {
  readonly address: string;
  readonly inode: string;
}

/** The sockets that listen where `listener` wants to. */
function rivalsOf({ host, port }: Listener): readonly Socket[] {
  return ["tcp", "tcp6"]
    .flatMap((family) => socketsOn(family, port))
    .filter(({ address }) => overlaps(host, address));
}

/** Whether two addresses cannot both be listened on; `::` is every one of IPv4, too. */
function overlaps(one: string, other: string): boolean {
  if (one === "::" || other === "::") return true;
  if (one === "0.0.0.0") return isIPv4(other);
  if (other === "0.0.0.0") return isIPv4(one);
  return ipaddr.process(one).toString() === other;
}

/** Columns of /proc/net/tcp: slot, local address, remote, state, queues, timers, retries, uid, timeout, inode. */
function socketsOn(family: string, port: number): readonly Socket[] {
  const wanted = port.toString(16).toUpperCase().padStart(4, "0");
  return lines(`/proc/net/${family}`)
    .map((line) => line.trim().split(/\s+/))
    .filter(([, local, , state]) => local?.endsWith(`:${wanted}`) && state === LISTENING)
    .map(([, local = "", , , , , , , , inode = ""]) => ({ address: addressIn(local), inode }));
}

/** `0100007F:1F90` is 127.0.0.1: the kernel writes words of four bytes, each from its last byte on. */
function addressIn(local: string): string {
  const words = local.match(/[\dA-F]{8}/g) ?? [];
  const bytes = words.flatMap((word) => [...Buffer.from(word, "hex")].toReversed());
  return ipaddr.process(ipaddr.fromByteArray(bytes).toString()).toString();
}

function socketInodes(pid: number): string[] {
  try {
    return readdirSync(`/proc/${pid}/fd`).map((fd) => {
      try {
        return /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/${pid}/fd/${fd}`))?.[1] ?? "";
      } catch {
        return ""; // Closed while we looked.
      }
    });
  } catch {
    return []; // Gone while we looked, or not ours to see.
  }
}

function lines(path: string): string[] {
  try {
    return readFileSync(path, "utf8").split("\n");
  } catch {
    return []; // A host without IPv6 has no tcp6.
  }
}

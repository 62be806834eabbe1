import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { createServer } from "node:net";
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

/** Throws `Conflict` naming the process that listens on `port` when it is taken. */
export async function requireFreePort(listener: Listener): Promise<void> {
  if (await isFree(listener)) return;
  const { host, port } = listener;
  throw new FksError("Conflict", `port ${port} of ${host} is taken${byWhom(port)}`);
}

function byWhom(port: number): string {
  const pid = portHolder(port);
  return pid === undefined
    ? ""
    : ` by process ${pid} (${commandLineOf(pid).replace(/\s+/g, " ").slice(0, 120)})`;
}

/** The process in our network namespace that listens on a TCP port; undefined when not to be seen. */
export function portHolder(port: number): number | undefined {
  const inodes = new Set(["tcp", "tcp6"].flatMap((family) => listeningInodes(family, port)));
  if (inodes.size === 0) return undefined;
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .find((pid) => socketInodes(pid).some((inode) => inodes.has(inode)));
}

function isFree({ host, port }: Listener): Promise<boolean> {
  const server = createServer();
  const { promise, resolve, reject } = Promise.withResolvers<boolean>();
  server.once("error", (error) => {
    const code = "code" in error ? error.code : undefined;
    if (isTaken(error)) resolve(false);
    // An address that this host does not have yet has no listeners either.
    else if (code === "EADDRNOTAVAIL") resolve(true);
    else reject(new FksError("Unavailable", `cannot listen on ${host}: ${error.message}`));
  });
  server.listen({ host, port, exclusive: true }, () => server.close(() => resolve(true)));
  return promise;
}

/** Columns of /proc/net/tcp: slot, local address, remote, state, queues, timers, retries, uid, timeout, inode. */
function listeningInodes(family: string, port: number): string[] {
  const wanted = port.toString(16).toUpperCase().padStart(4, "0");
  return lines(`/proc/net/${family}`)
    .map((line) => line.trim().split(/\s+/))
    .filter(([, local, , state]) => local?.endsWith(`:${wanted}`) && state === LISTENING)
    .map((columns) => columns[9] ?? "");
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

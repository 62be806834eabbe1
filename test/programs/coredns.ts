/** CoreDNS from its Go module, with the plugins a cluster has, beside our own answers. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { goCommand } from "./go-command.ts";

interface CoreDns extends AsyncDisposable {
  readonly pid: number;
  readonly port: number;
}

const BUILD_TIMEOUT_MS = 1_200_000;
const START_TIMEOUT_MS = 60_000;

/** The executable; the first build takes minutes, a later one a second. */
export async function buildCoreDns(): Promise<string> {
  const folder = resolve(".cache/coredns");
  mkdirSync(folder, { recursive: true });
  const executable = join(folder, "coredns");
  const build = Bun.spawn([goCommand(), "build", "-trimpath", "-o", executable, "."], {
    cwd: join(import.meta.dir, "coredns"),
    env: { ...process.env, CGO_ENABLED: "0" },
    stderr: "pipe",
    timeout: BUILD_TIMEOUT_MS,
  });
  if ((await build.exited) !== 0) throw new Error(await new Response(build.stderr).text());
  return executable;
}

interface CoreDnsOptions {
  /** Where the API server is. */
  readonly api: string;
  /** `address:port` of the name server for names of others. */
  readonly upstream: string;
  /** Further lines of the server's block, such as `cache 30`. */
  readonly plugins?: readonly string[];
  /** A command that runs it: `taskset -c 1`. */
  readonly under?: readonly string[];
}

/** Starts it on 127.0.0.1 and waits until it answers. */
export async function coreDns(executable: string, options: CoreDnsOptions): Promise<CoreDns> {
  const folder = mkdtempSync(join(tmpdir(), "fks-coredns-"));
  const port = await freePort();
  const corefile = join(folder, "Corefile");
  writeFileSync(corefile, corefileFor(port, options));
  const child = Bun.spawn([...(options.under ?? []), executable, "-conf", corefile], {
    env: { ...process.env, HOME: folder },
    stdin: "ignore",
    stdout: Bun.file(join(folder, "out")),
    stderr: Bun.file(join(folder, "err")),
  });
  if (!(await answering(port, child.exited))) {
    child.kill("SIGKILL");
    const files = ["out", "err"].map((name) => Bun.file(join(folder, name)).text());
    throw new Error(`CoreDNS does not answer:\n${(await Promise.all(files)).join("")}`);
  }
  return {
    pid: child.pid,
    port,
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL");
      await child.exited;
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

function corefileFor(port: number, { api, upstream, plugins = [] }: CoreDnsOptions): string {
  return `.:${port} {
  bind 127.0.0.1
  errors
  ${plugins.join("\n  ")}
  kubernetes cluster.local in-addr.arpa ip6.arpa {
    endpoint ${api}
    pods verified
    ttl 5
    fallthrough in-addr.arpa ip6.arpa
  }
  forward . ${upstream}
}
`;
}

async function freePort(): Promise<number> {
  const socket = await Bun.udpSocket({ hostname: "127.0.0.1" });
  const { port } = socket;
  socket.close();
  return port;
}

/** Asks until there is an answer, for it listens only once it knows the cluster; false: none came. */
async function answering(port: number, ended: Promise<unknown>): Promise<boolean> {
  const { promise, resolve: settle } = Promise.withResolvers<boolean>();
  const socket = await Bun.udpSocket({
    connect: { hostname: "127.0.0.1", port },
    socket: { data: () => settle(true), error() {} },
  });
  const query = new Uint8Array([0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 1]);
  const asking = setInterval(() => socket.send(query), 50);
  const tooLate = setTimeout(() => settle(false), START_TIMEOUT_MS);
  void ended.then(() => settle(false));
  const isThere = await promise;
  clearInterval(asking);
  clearTimeout(tooLate);
  socket.close();
  return isThere;
}

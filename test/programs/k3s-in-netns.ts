/** The stand-in for K3s started by itself, in a network of its own, for its own tests. */
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { commandLineOf } from "#adapters/host/process-identity.ts";
import { k3sArgs } from "#embedded/control-plane/k3s/args.ts";
import { type K3sFiles, k3sFilesIn } from "#embedded/control-plane/k3s/files.ts";
import { cachedKubePath } from "#embedded/control-plane/upstream/build.ts";
import { eventually, type Ran, run } from "#test/e2e/process.ts";
import { installK3sShaped, type K3sShape } from "./k3s-shaped.ts";

const ADDRESS = "fdaa:1:2::3";
const SERVER = `https://[${ADDRESS}]:6443`;
const END_TIMEOUT_MS = 30_000;
const NETWORK = ["unshare", "--net", "sh", "-c"];
const IN_NETWORK = `ip link set lo up; ip -6 addr add ${ADDRESS}/128 dev lo nodad; exec "$@"`;

export interface K3sRun {
  readonly process: Bun.Subprocess;
  /** What it wrote so far, both streams. */
  log(): string;
  /** Waits for these words in its log. */
  says(words: RegExp): Promise<void>;
  /** Waits for its end by itself: the exit code. */
  ended(): Promise<number>;
  /** What `/ping`, `/readyz` and `/v1-k3s/readyz` answer those who may ask. */
  probes(): Promise<number[]>;
  /** Waits until all three answer 200. */
  ready(): Promise<void>;
  get(path: string, ...options: string[]): Promise<{ status: number; body: string }>;
  /** `get` with the administrator's certificate. */
  getAsAdmin(path: string, ...options: string[]): Promise<{ status: number; body: string }>;
  kubectl(...args: string[]): Promise<Ran>;
  /** Runs a command in its network. */
  inNetwork(...command: string[]): Promise<Ran>;
  /** Sends SIGTERM; the exit code and the time it took. */
  stop(): Promise<{ exitCode: number; tookMs: number }>;
}

export interface K3sHost extends AsyncDisposable {
  readonly folder: string;
  readonly executable: string;
  readonly files: K3sFiles;
  readonly token: string;
  readonly tokenFile: string;
  /** Arguments as fks-node gives them, with others behind them. */
  args(...more: string[]): string[];
  /** Those of a plain user. */
  plainArgs(): string[];
  start(options?: StartOptions): K3sRun;
}

interface StartOptions {
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Started beside this one, in its network. */
  readonly beside?: K3sRun;
  /** In front of the executable, such as `setpriv`. */
  readonly prefix?: readonly string[];
}

/** They need root for a network of their own, and the upstream parts that `make setup` builds. */
export const cannotRunK3s =
  process.getuid?.() !== 0 ||
  !existsSync(process.env["FKS_KUBE_BIN"] ?? cachedKubePath(process.env));

/** An installed stand-in with a data directory. */
export async function k3sHost(shape: K3sShape = {}): Promise<K3sHost> {
  const folder = mkdtempSync(join(tmpdir(), "fks-k3s-shaped-"));
  const executable = await installK3sShaped(join(folder, "bin"), shape);
  const files = k3sFilesIn(join(folder, "data"));
  mkdirSync(files.home, { recursive: true });
  writeFileSync(files.config, "{}\n");
  const tokenFile = join(folder, "token");
  writeFileSync(tokenFile, "secret-of-this-test\n", { mode: 0o600 });
  const plan = {
    clusterName: "test",
    address: ADDRESS,
    port: 6443,
    serviceRange: "fdaa:1:2:1::/112",
  };
  const started: Bun.Subprocess[] = [];

  const host: K3sHost = {
    folder,
    executable,
    files,
    token: "secret-of-this-test",
    tokenFile,
    args: (...more) => [...k3sArgs({ plan, files, tokenFile, minor: 36, isRoot: true }), ...more],
    plainArgs: () => k3sArgs({ plan, files, tokenFile, minor: 36, isRoot: false }),
    start({ args = host.args(), env = {}, beside, prefix = [] } = {}) {
      const enter =
        beside === undefined
          ? [...NETWORK, IN_NETWORK, "sh"]
          : ["nsenter", `--net=/proc/${beside.process.pid}/ns/net`];
      const logFile = join(folder, `log-${started.length}`);
      const fd = openSync(logFile, "a");
      const process = Bun.spawn([...enter, ...prefix, executable, ...args], {
        stdin: "ignore",
        stdout: fd,
        stderr: fd,
        env: { PATH: `${Bun.env["PATH"]}:/usr/sbin:/sbin`, HOME: files.home, ...env },
      });
      started.push(process);
      return runOf(process, logFile, host);
    },
    async [Symbol.asyncDispose]() {
      for (const process of started) {
        process.kill("SIGKILL");
        await process.exited;
      }
      rmSync(folder, { recursive: true, force: true });
    },
  };
  return host;
}

function runOf(
  child: Bun.Subprocess,
  logFile: string,
  { executable, files, token }: K3sHost,
): K3sRun {
  const log = (): string => readFileSync(logFile, "utf8");
  const explain = async (): Promise<string> => log();
  const admin = [`ca=${files.serverCa}`, `cert=${files.admin.cert}`, `key=${files.admin.key}`];
  const self: K3sRun = {
    process: child,
    log,
    async says(words) {
      await eventually(`"${words.source}"`, async () => words.test(log()) || undefined, {
        explain,
      });
    },
    async ended() {
      const code = await Promise.race([child.exited, Bun.sleep(END_TIMEOUT_MS)]);
      if (code === undefined) throw new Error(`it still runs\n${log()}`);
      return code;
    },
    async ready() {
      const outcome = await eventually(
        "all three probes",
        async () => {
          if (child.exitCode !== null) return "ended";
          return (await self.probes()).every((status) => status === 200) ? "ready" : undefined;
        },
        { explain },
      );
      if (outcome === "ended") throw new Error(`it ended with ${child.exitCode}\n${log()}`);
    },
    async probes() {
      const answers = [
        await self.get("/ping"),
        await self.getAsAdmin("/readyz"),
        await self.get("/v1-k3s/readyz", `basic=node:${token}`),
      ];
      return answers.map(({ status }) => status);
    },
    inNetwork: (...command) => run(["nsenter", `--net=/proc/${child.pid}/ns/net`, ...command]),
    async get(path, ...options) {
      const program = join(import.meta.dir, "https-get.ts");
      const command = [process.execPath, program, `${SERVER}${path}`, ...options];
      const { stdout, stderr, exitCode } = await self.inNetwork(...command);
      if (exitCode !== 0) throw new Error(stderr);
      return JSON.parse(stdout);
    },
    getAsAdmin: (path, ...options) => self.get(path, ...admin, ...options),
    kubectl: (...args) =>
      self.inNetwork(executable, "kubectl", `--kubeconfig=${files.kubeconfig}`, ...args),
    async stop() {
      const startedAt = performance.now();
      child.kill("SIGTERM");
      const exitCode = await child.exited;
      return { exitCode, tookMs: performance.now() - startedAt };
    },
  };
  return self;
}

/** Processes that the stand-in with this pid started, of one part or of all. */
export function partsOf(pid: number, part = ""): number[] {
  return readdirSync(`/proc/${pid}/task`)
    .flatMap((task) => readFileSync(`/proc/${pid}/task/${task}/children`, "utf8").split(" "))
    .filter((child) => child !== "")
    .filter((child) => commandLineOf(Number(child)).includes(`/kube ${part}`))
    .map(Number);
}

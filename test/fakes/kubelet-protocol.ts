import { connect as dial, type Socket } from "node:net";
import { Duplex } from "node:stream";
import { FksError } from "#core/errors.ts";
import type { ExitStatus, LogOptions, MachineReport } from "#core/fly/machine-protocol.ts";
import type {
  AttachRequest,
  Connection,
  ExecRequest,
  MachineProtocol,
} from "#core/ports/machine-protocol.ts";

interface KubeletProtocol {
  readonly protocol: MachineProtocol;
  /** Commands and log streams that have not ended. */
  running(): number;
  /** What followers of the log read from now on. */
  writeLog(text: string): void;
  report: MachineReport;
  /** The options of the last log request. */
  lastLogOptions(): LogOptions | undefined;
}

type Command = (
  request: ExecRequest,
  args: readonly string[],
  signal: AbortSignal,
) => Promise<ExitStatus>;

/** Writes a greeting, its size where it is told one, and all it reads; ends with 3 after a "q". */
async function mainProcess(
  { stdin, stdout, resize }: AttachRequest,
  signal: AbortSignal,
): Promise<ExitStatus> {
  await write(stdout, "attached\n");
  const size = await resize?.getReader().read();
  if (size?.value !== undefined) await write(stdout, `${size.value.cols}x${size.value.rows}\n`);
  const reader = stdin?.getReader();
  signal.addEventListener("abort", () => void reader?.cancel().catch(() => undefined));
  for (;;) {
    // oxlint-disable-next-line no-await-in-loop -- a stream is read in its order
    const read = await reader?.read();
    if (read?.value === undefined) break;
    const text = Buffer.from(read.value).toString();
    // oxlint-disable-next-line no-await-in-loop -- a stream is written in its order
    await write(stdout, text);
    if (text.includes("q")) return { exitCode: 3 };
  }
  await aborted(signal);
  signal.throwIfAborted();
  return { exitCode: 0 };
}

/** A Machine protocol whose commands are functions and whose ports are the test's own sockets. */
export function kubeletProtocol(): KubeletProtocol {
  let running = 0;
  let logged = "";
  let options: LogOptions | undefined;
  const followers = new Set<ReadableStreamDefaultController<Uint8Array>>();

  const protocol: MachineProtocol = {
    report: async () => fake.report,
    deliver: async () => undefined,
    addContainer: async () => undefined,
    end: async () => undefined,
    reclaim: async () => undefined,
    troubles: async () => [],
    writeFiles: async () => undefined,
    usage: async () => [],
    watch: () => notHere(),

    async exec(_machine, _container, request, signal) {
      const [name = "", ...args] = request.command;
      const command = COMMANDS[name];
      if (command === undefined) throw new FksError("InvalidInput", `no such command: ${name}`);
      running += 1;
      try {
        return await command(request, args, signal);
      } finally {
        running -= 1;
      }
    },

    async attach(_machine, _container, request, signal) {
      running += 1;
      try {
        return await mainProcess(request, signal);
      } finally {
        running -= 1;
      }
    },

    async logs(_machine, _container, asked, signal) {
      options = asked;
      return new ReadableStream<Uint8Array>({
        start(controller) {
          if (logged !== "" && asked.tailLines !== 0) controller.enqueue(Buffer.from(logged));
          if (asked.follow !== true) return controller.close();
          running += 1;
          followers.add(controller);
          signal.addEventListener("abort", () => {
            if (followers.delete(controller)) running -= 1;
          });
        },
        cancel() {
          // The abort that comes with it does the counting.
        },
      });
    },

    keptLogs: {
      list: async () => [],
      forget: async () => undefined,
      read: async (machineId, container, asked) => {
        const text = `${machineId} ${container}${asked.previous === true ? " before" : ""}\n`;
        return new Blob([text]).stream();
      },
    },

    connect: (_machine, port, signal) => tcpConnection(port, signal),
  };

  const fake: KubeletProtocol = {
    protocol,
    running: () => running,
    lastLogOptions: () => options,
    writeLog(text) {
      logged += text;
      for (const follower of followers) follower.enqueue(Buffer.from(text));
    },
    report: { revision: 1, containers: [], events: [] },
  };
  return fake;
}

const COMMANDS: Readonly<Record<string, Command>> = {
  /** Writes its arguments, the last one to standard error. */
  say: async ({ stdout, stderr }, [out = "", err = ""]) => {
    await write(stdout, out);
    await write(stderr, err);
    return { exitCode: 0 };
  },
  exit: async (_request, [code]) => ({ exitCode: Number(code) }),
  cat: async ({ stdin, stdout }, _args, signal) => {
    if (stdin && stdout) await stdin.pipeTo(stdout, { signal });
    return { exitCode: 0 };
  },
  /** Reads nothing, and ends only when it is killed. */
  sleep: async (_request, _args, signal) => {
    await aborted(signal);
    return { exitCode: 137 };
  },
  /** Writes without end. */
  flood: async ({ stdout }, _args, signal) => {
    const writer = stdout?.getWriter();
    while (!signal.aborted) {
      // oxlint-disable-next-line no-await-in-loop -- back-pressure is what it is for
      await writer?.write(new Uint8Array(32_768)).catch(() => undefined);
    }
    return { exitCode: 137 };
  },
  /** Prints the first `count` sizes of its terminal. */
  sizes: async ({ stdout, resize, tty }, [count]) => {
    const seen: string[] = [`tty ${tty}`];
    if (resize) {
      for await (const { cols, rows } of resize) {
        seen.push(`${cols}x${rows}`);
        if (seen.length > Number(count)) break;
      }
    }
    await write(stdout, `${seen.join(" ")}\n`);
    return { exitCode: 0 };
  },
};

async function write(to: WritableStream<Uint8Array> | undefined, text: string): Promise<void> {
  const writer = to?.getWriter();
  await writer?.write(Buffer.from(text));
  writer?.releaseLock();
}

function aborted(signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  if (signal.aborted) resolve();
  signal.addEventListener("abort", () => resolve(), { once: true });
  return promise;
}

async function tcpConnection(port: number, signal: AbortSignal): Promise<Connection> {
  const socket = dial({ port, host: "127.0.0.1", allowHalfOpen: true });
  signal.addEventListener("abort", () => socket.destroy(), { once: true });
  await connected(socket, port);
  return Duplex.toWeb(socket);
}

function connected(socket: Socket, port: number): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  socket.once("connect", () => resolve());
  socket.once("error", () =>
    reject(new FksError("Unavailable", `connection refused on port ${port}`)),
  );
  return promise;
}

function notHere(): never {
  throw new Error("this fake has no changes to tell");
}

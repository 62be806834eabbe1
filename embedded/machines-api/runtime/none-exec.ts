import type { ExitStatus } from "#core/fly/machine-protocol.ts";
import type { ExecRequest } from "#core/ports/machine-protocol.ts";
import type { MountSpec, VolumeSpec } from "./runtime.ts";

const encoder = new TextEncoder();

interface Inside {
  readonly mounts: readonly MountSpec[];
  readonly volumes: ReadonlyMap<string, VolumeSpec>;
}

interface Streams {
  write(fd: 1 | 2, bytes: Uint8Array): Promise<void>;
}

/** The few commands a container without processes can run; `none.ts` lists them. */
export async function noneExec(
  request: ExecRequest,
  inside: Inside,
  signal: AbortSignal,
): Promise<ExitStatus> {
  const out = request.stdout?.getWriter();
  // A terminal has one output.
  const err = request.tty ? out : request.stderr?.getWriter();
  const streams: Streams = {
    write: async (fd, bytes) => {
      signal.throwIfAborted();
      await (fd === 1 ? out : err)?.write(bytes);
    },
  };
  try {
    return await run({ request, inside, streams, signal });
  } finally {
    await Promise.allSettled([out?.close(), request.tty ? undefined : err?.close()]);
  }
}

interface Shell {
  readonly request: ExecRequest;
  readonly inside: Inside;
  readonly streams: Streams;
  readonly signal: AbortSignal;
}

async function run(shell: Shell): Promise<ExitStatus> {
  const [program, flag, script = ""] = shell.request.command;
  if (program !== "sh" || flag !== "-c") {
    return { exitCode: await command(shell, shell.request.command, 1) };
  }
  let exitCode = 0;
  for (const part of script.split(";")) {
    const words = part.replace(">&2", "").trim().split(/\s+/);
    exitCode = await command(shell, words, part.includes(">&2") ? 2 : 1);
    if (words[0] === "exit") break;
  }
  return { exitCode };
}

async function command(shell: Shell, words: readonly string[], fd: 1 | 2): Promise<number> {
  const [program = "", ...rest] = words;
  if (program === "exit") return Number(rest[0] ?? 0);
  if (program === "cat") return cat(shell, rest[0], fd);
  if (program === "echo") {
    await shell.streams.write(fd, encoder.encode(`${rest.join(" ")}\n`));
    return 0;
  }
  await shell.streams.write(2, encoder.encode(`${program}: not found\n`));
  return 127;
}

async function cat(shell: Shell, path: string | undefined, fd: 1 | 2): Promise<number> {
  const { request, inside, streams, signal } = shell;
  if (path !== undefined) {
    const content = fileAt(path, inside);
    if (content !== undefined) await streams.write(fd, content);
    return content === undefined ? 1 : 0;
  }
  const reader = request.stdin?.getReader();
  const onAbort = (): void => void reader?.cancel(signal.reason).catch(() => undefined);
  signal.addEventListener("abort", onAbort, { once: true });
  for (let part = await reader?.read(); part?.done === false; part = await reader?.read()) {
    await streams.write(fd, part.value);
  }
  signal.removeEventListener("abort", onAbort);
  signal.throwIfAborted();
  return 0;
}

function fileAt(path: string, { mounts, volumes }: Inside): Uint8Array | undefined {
  for (const { path: folder, volume } of mounts) {
    if (!path.startsWith(`${folder}/`)) continue;
    const name = path.slice(folder.length + 1);
    const file = volumes.get(volume.name)?.files.find((other) => other.path === name);
    if (file !== undefined) return file.content;
  }
  return undefined;
}

import { watch } from "node:fs";
import { type FileHandle, open, stat } from "node:fs/promises";
import { FksError } from "#core/errors.ts";
import { type Clock, sleep } from "#core/ports/clock.ts";
import { lineCount, tailStart } from "./cri-log.ts";
import type { AttemptFolder } from "./folders.ts";

const CHUNK_BYTES = 64 * 1024;

/** Changes are told by the kernel; this is for the ones it may have forgotten. */
const RECHECK_MS = 1_000;

/** How long a log may be away while it is moved. */
const OPEN_TRIES = 100;
const OPEN_PAUSE_MS = 5;

interface LogRead {
  readonly folder: Pick<AttemptFolder, "path" | "log" | "rotatedLog">;
  readonly follow: boolean;
  readonly tailLines: number | undefined;
  /** True once nothing will be written any more. */
  readonly hasEnded: () => boolean;
  readonly clock: Clock;
}

/** The raw bytes of a container's log: the rotated file, the current one, then what follows. */
export async function* logBytes(read: LogRead, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  const { folder, follow, tailLines } = read;
  const files = await openFiles(read, signal);
  const starts = await startsFor(files, tailLines).catch(async (error: unknown) => {
    await close(files);
    throw error;
  });
  let { current, rotated } = files;
  try {
    if (rotated !== undefined && starts.rotated !== undefined) {
      yield* bytesFrom(rotated, starts.rotated, signal);
    }
    let at = starts.current;
    for (;;) {
      const hasEnded = read.hasEnded();
      const isReplaced = follow && (await isOther(current, folder.log));
      for await (const chunk of bytesFrom(current, at, signal)) {
        at += chunk.length;
        yield chunk;
      }
      if (isReplaced) {
        // Its writer left the old file before the new one appeared: it has been read to its end.
        const next = await openFiles(read, signal);
        const isNext = next.rotated === undefined || (await isSame(next.rotated, current));
        await close({ current, rotated });
        ({ current, rotated } = next);
        // Moved aside twice while its reader was slow: the log between is the old one by now.
        if (!isNext && rotated !== undefined) yield* bytesFrom(rotated, 0, signal);
        at = 0;
        continue;
      }
      if (!follow || hasEnded) return;
      await changed(folder.path, read.clock, signal);
    }
  } finally {
    await close({ current, rotated });
  }
}

async function close({ current, rotated }: LogFiles): Promise<void> {
  await Promise.all([current.close(), rotated?.close()]);
}

async function isSame(one: FileHandle, other: FileHandle): Promise<boolean> {
  return (await one.stat()).ino === (await other.stat()).ino;
}

interface LogFiles {
  readonly rotated: FileHandle | undefined;
  readonly current: FileHandle;
}

/** Both files of one moment: when a rotation comes between, both are opened again. */
async function openFiles({ folder, clock }: LogRead, signal: AbortSignal): Promise<LogFiles> {
  for (let tries = 0; ; tries += 1) {
    const current = await opened(folder.log);
    const rotated = await opened(folder.rotatedLog);
    if (current !== undefined && !(await isOther(current, folder.log))) return { current, rotated };
    await Promise.all([current?.close(), rotated?.close()]);
    // Between moving a log and the next one there is none for a moment.
    if (tries === OPEN_TRIES) throw new FksError("NotFound", "this container has no logs");
    await sleep(clock, OPEN_PAUSE_MS, signal);
  }
}

async function opened(path: string): Promise<FileHandle | undefined> {
  try {
    return await open(path, "r");
  } catch {
    return undefined;
  }
}

/** Whether `path` is by now another file than the one that is open. */
async function isOther(file: FileHandle, path: string): Promise<boolean> {
  try {
    return (await file.stat()).ino !== (await stat(path)).ino;
  } catch {
    return false;
  }
}

/** Where to begin in each file; undefined: not at all. */
async function startsFor(
  { current, rotated }: LogFiles,
  lines: number | undefined,
): Promise<{ readonly current: number; readonly rotated: number | undefined }> {
  if (lines === undefined) return { current: 0, rotated: 0 };
  const start = await tailStartOf(current, lines);
  if (start !== undefined) return { current: start, rotated: undefined };
  if (rotated === undefined) return { current: 0, rotated: undefined };
  const here = lineCount(await bytesAt(current, 0, (await current.stat()).size));
  return { current: 0, rotated: (await tailStartOf(rotated, lines - here)) ?? 0 };
}

/** Looks back from the end, twice as far each time, so that a long log costs what its tail costs. */
async function tailStartOf(file: FileHandle, lines: number): Promise<number | undefined> {
  const { size } = await file.stat();
  for (let back = CHUNK_BYTES; ; back *= 2) {
    const from = Math.max(0, size - back);
    const start = tailStart(await bytesAt(file, from, size - from), lines, from === 0);
    if (start !== undefined) return from + start;
    if (from === 0) return undefined;
  }
}

async function bytesAt(file: FileHandle, from: number, length: number): Promise<Uint8Array> {
  const buffer = Buffer.alloc(length);
  let filled = 0;
  while (filled < length) {
    const { bytesRead } = await file.read(buffer, filled, length - filled, from + filled);
    if (bytesRead === 0) break;
    filled += bytesRead;
  }
  return buffer.subarray(0, filled);
}

async function* bytesFrom(
  file: FileHandle,
  from: number,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  for (let at = from; ; ) {
    signal.throwIfAborted();
    const buffer = Buffer.alloc(CHUNK_BYTES);
    const { bytesRead } = await file.read(buffer, 0, CHUNK_BYTES, at);
    if (bytesRead === 0) return;
    at += bytesRead;
    yield buffer.subarray(0, bytesRead);
  }
}

/** Resolves at the next change in the folder, or a second later; rejects on abort. */
async function changed(folder: string, clock: Clock, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const stop = new AbortController();
  const onAbort = (): void => reject(signal.reason);
  signal.addEventListener("abort", onAbort, { once: true });
  clock.after(RECHECK_MS, resolve, stop.signal);
  const watcher = watch(folder, () => resolve());
  watcher.on("error", () => resolve());
  try {
    await promise;
  } finally {
    watcher.close();
    stop.abort();
    signal.removeEventListener("abort", onAbort);
  }
}

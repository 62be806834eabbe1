import { mkdirSync, readFileSync, statSync, watch } from "node:fs";
import { type Clock, sleep } from "#core/ports/clock.ts";
import type { Log } from "#core/ports/log.ts";
import type { ContainerExit, ContainerId } from "../runtime.ts";
import { type Folders, ociIdFor } from "./folders.ts";
import { type HostProcess, isRunning, pidIn, processAt } from "./processes.ts";
import { LOG_MAX_BYTES, rotateLog } from "./rotation.ts";

const SWEEP_MS = 1_000;
const ENDED_PAUSE_MS = 5;

const SIGKILL_EXIT_CODE = 137;

/** What Kubernetes reports when nobody can tell how a container ended. */
const UNKNOWN_EXIT_CODE = 137;

const SIGNAL_BASE = 128;
const SIGNAL_MAX = 64;

interface ExitsOptions {
  readonly folders: Folders;
  readonly clock: Clock;
  readonly log: Log;
  /** Whether the kernel killed for memory in this container's cgroup. */
  readonly hasOomKill: (id: ContainerId) => boolean;
  /** Where all see each other, the kernel does not end the others with the first process. */
  readonly killRest: (id: ContainerId) => void;
}

/** Running containers and the news of their end. */
export interface Exits {
  onExit(listener: (exit: ContainerExit) => void): void;
  /** Watches this container until it ends, which is told once. */
  track(id: ContainerId, process: HostProcess): void;
  /** Whether its end is still to come, as far as this process was told. */
  isTracked(id: ContainerId): boolean;
  /** Its end is nobody's business any more. */
  forget(id: ContainerId): void;
  /** How it ended, as conmon wrote it down; undefined while it runs, or when nobody knows. */
  exitOf(id: ContainerId): ContainerExit | undefined;
  /** Resolves with its end, also when nobody knows how it was. */
  ended(id: ContainerId, signal: AbortSignal): Promise<ContainerExit>;
}

interface Tracked {
  readonly id: ContainerId;
  readonly process: HostProcess;
}

/** Watches until `signal` aborts: by the kernel's news of a new exit file, and once a second. */
export function watchExits(options: ExitsOptions, signal: AbortSignal): Exits {
  const { folders, clock, log } = options;
  const tracked = new Map<string, Tracked>();
  const listeners: ((exit: ContainerExit) => void)[] = [];

  function exitOf(id: ContainerId): ContainerExit | undefined {
    const { exit, oom } = folders.attempt(id);
    const text = textOf(exit);
    if (text === undefined || text.trim() === "") return undefined;
    const exitCode = Number(text);
    const number = exitCode - SIGNAL_BASE;
    const oomKilled = exitCode === SIGKILL_EXIT_CODE && (exists(oom) || options.hasOomKill(id));
    return {
      id,
      exitCode,
      ...(number > 0 && number <= SIGNAL_MAX ? { signal: number } : {}),
      oomKilled,
      atMs: Math.round(statSync(exit).mtimeMs),
    };
  }

  /** conmon writes the exit only after the process is gone, so that it has to be gone itself too. */
  function unknownExit({ id, process }: Tracked): ContainerExit | undefined {
    if (isRunning(process)) return undefined;
    const conmon = pidIn(folders.attempt(id).conmonPid);
    if (conmon !== undefined && processAt(conmon) !== undefined) return undefined;
    return exitOf(id) ?? unknown(id);
  }

  const unknown = (id: ContainerId): ContainerExit => {
    return { id, exitCode: UNKNOWN_EXIT_CODE, oomKilled: false, atMs: clock.now() };
  };

  function tellIfEnded(key: string): void {
    const entry = tracked.get(key);
    if (entry === undefined) return;
    const exit = exitOf(entry.id) ?? unknownExit(entry);
    if (exit === undefined) return;
    tracked.delete(key);
    options.killRest(entry.id);
    for (const listener of listeners) listener(exit);
  }

  async function sweep(): Promise<void> {
    for (const [key, { id }] of tracked) {
      tellIfEnded(key);
      if (!tracked.has(key)) continue;
      try {
        await rotateLog(folders.attempt(id), LOG_MAX_BYTES);
      } catch (error) {
        log.warn("cannot rotate a container's log", { container: key, error });
      }
    }
    clock.after(SWEEP_MS, () => void sweep(), signal);
  }

  mkdirSync(folders.exits, { recursive: true });
  const watcher = watch(folders.exits, (_event, file) => {
    if (file !== null) tellIfEnded(file);
  });
  watcher.on("error", (error) => log.warn("cannot watch for exits", { error }));
  signal.addEventListener("abort", () => watcher.close(), { once: true });
  clock.after(SWEEP_MS, () => void sweep(), signal);

  return {
    exitOf,
    onExit: (listener) => void listeners.push(listener),
    isTracked: (id) => tracked.has(ociIdFor(id)),
    forget: (id) => void tracked.delete(ociIdFor(id)),

    async ended(id, aborted) {
      for (;;) {
        const entry = tracked.get(ociIdFor(id));
        const exit = exitOf(id) ?? (entry === undefined ? unknown(id) : unknownExit(entry));
        if (exit !== undefined) return exit;
        await sleep(clock, ENDED_PAUSE_MS, aborted);
      }
    },

    track(id, process) {
      const key = ociIdFor(id);
      tracked.set(key, { id, process });
      // It may have ended before anybody watched.
      queueMicrotask(() => tellIfEnded(key));
    },
  };
}

function textOf(file: string): string | undefined {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return undefined;
  }
}

function exists(file: string): boolean {
  return statSync(file, { throwIfNoEntry: false }) !== undefined;
}

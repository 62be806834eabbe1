import { existsSync, mkdirSync, readdirSync, statSync } from "node:fs";
import { mkdir, rename, rm, stat } from "node:fs/promises";
import { FksError } from "#core/errors.ts";
import type { Clock } from "#core/ports/clock.ts";
import type { KeptLogs } from "#core/ports/kept-logs.ts";
import type { ContainerId } from "../runtime.ts";
import type { AttemptFolder } from "./folders.ts";
import { logStream } from "./logs.ts";

const MACHINES_MAX = 200;
const BYTES_MAX = 256 * 1024 * 1024;

const NAME = /^\w[\w.-]*$/;

export interface LogKeeper extends KeptLogs {
  /** Moves the logs of a Machine's containers here before the rest of it is removed. */
  keep(machineId: string, attempts: readonly KeptAttempt[]): Promise<void>;
}

interface KeptAttempt {
  readonly id: ContainerId;
  readonly folder: Pick<AttemptFolder, "log" | "rotatedLog">;
}

/** In `folder`, as `MACHINE/CONTAINER/ATTEMPT/log`; what is beyond the bounds goes, oldest first. */
export function logKeeper(folder: string, clock: Clock): LogKeeper {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const sizes = sizesIn(folder);

  async function forget(machineId: string): Promise<void> {
    if (!sizes.delete(machineId)) return;
    await rm(`${folder}/${machineId}`, { recursive: true, force: true });
  }

  function oldestTooMany(): string | undefined {
    const bytes = sizes.values().reduce((sum, size) => sum + size, 0);
    const [oldest] = sizes.keys();
    return sizes.size > MACHINES_MAX || bytes > BYTES_MAX ? oldest : undefined;
  }

  return {
    list: async () => [...sizes.keys()],
    forget,

    async keep(machineId, attempts) {
      let bytes = sizes.get(machineId) ?? 0;
      for (const { id, folder: from } of attempts) {
        const to = `${folder}/${machineId}/${id.name}/${id.attempt}`;
        await mkdir(to, { recursive: true, mode: 0o700 });
        bytes += await moved(from.rotatedLog, `${to}/log.1`);
        bytes += await moved(from.log, `${to}/log`);
      }
      if (attempts.length > 0) sizes.set(machineId, bytes);
      for (let old = oldestTooMany(); old !== undefined; old = oldestTooMany()) await forget(old);
    },

    async read(machineId, container, options, signal) {
      const nothing = new FksError("NotFound", `no logs are kept of container ${container}`);
      if (!sizes.has(machineId) || !NAME.test(container)) throw nothing;
      const attempts = attemptsIn(`${folder}/${machineId}/${container}`);
      const attempt = attempts.at(options.previous === true ? -2 : -1);
      if (attempt === undefined) throw nothing;
      const path = `${folder}/${machineId}/${container}/${attempt}`;
      const place = { path, log: `${path}/log`, rotatedLog: `${path}/log.1` };
      return logStream({ folder: place, hasEnded: () => true, clock }, options, signal);
    },
  };
}

/** Its size; 0 when it is not there, or was moved before. */
async function moved(from: string, to: string): Promise<number> {
  if (!existsSync(from)) return 0;
  const { size } = await stat(from);
  await rename(from, to);
  return size;
}

/** The starts of a container that there are logs of, oldest first. */
function attemptsIn(path: string): readonly number[] {
  if (!existsSync(path)) return [];
  return readdirSync(path)
    .map(Number)
    .toSorted((a, b) => a - b);
}

/** What an earlier process kept, oldest first. */
function sizesIn(folder: string): Map<string, number> {
  const found = readdirSync(folder).map((machineId) => {
    const path = `${folder}/${machineId}`;
    return { machineId, atMs: statSync(path).mtimeMs, bytes: bytesBelow(path) };
  });
  return new Map(
    found.toSorted((a, b) => a.atMs - b.atMs).map(({ machineId, bytes }) => [machineId, bytes]),
  );
}

function bytesBelow(path: string): number {
  const files = readdirSync(path, { recursive: true, withFileTypes: true });
  return files
    .filter((entry) => entry.isFile())
    .reduce((sum, { parentPath, name }) => sum + statSync(`${parentPath}/${name}`).size, 0);
}

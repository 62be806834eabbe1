import { mkdirSync, readFileSync } from "node:fs";
import { rename, rm, writeFile } from "node:fs/promises";
import { basename } from "node:path";
import { z } from "zod";
import { FksError } from "#core/errors.ts";
import { runProgram, tryProgram } from "../../network/run-program.ts";
import type { Cgroups } from "./cgroups.ts";
import type { OciRuntime } from "./conmon.ts";
import type { Folders } from "./folders.ts";
import type { OciNamespaces } from "./oci-config.ts";
import { bootId, isRunning, pidIn, processAt } from "./processes.ts";

/** Nobody in particular. */
const PAUSE_USER = 65_535;

const PAUSE_PATH = "/pause";

const pauseState = z.object({ pid: z.number(), startTicks: z.number(), bootId: z.string() });

interface PauseOptions {
  readonly folders: Folders;
  readonly cgroups: Cgroups;
  readonly runtime: OciRuntime;
  /** The program that can do nothing but reap. */
  readonly init: string;
}

/** The process that every other of a Machine descends from, where they all see each other. */
export interface Pauses {
  /** Path of the namespace; the process is started when there is none that lives. */
  ensure(machineId: string, namespaces: OciNamespaces, signal: AbortSignal): Promise<string>;
  /** Ends it, and with it whatever is left in its namespace. Idempotent. */
  remove(machineId: string, signal: AbortSignal): Promise<void>;
}

export function pauseProcesses({ folders, cgroups, runtime, init }: PauseOptions): Pauses {
  const folderOf = (machineId: string): string => folders.machine(machineId).pause;

  async function remove(machineId: string, signal: AbortSignal): Promise<void> {
    const ended = [runtime.path, ...runtime.args, "delete", "--force", idOf(machineId)];
    await tryProgram(ended, signal);
    await rm(folderOf(machineId), { recursive: true, force: true });
  }

  return {
    async remove(machineId, signal) {
      if (await Bun.file(`${folderOf(machineId)}/config.json`).exists()) {
        await remove(machineId, signal);
      }
    },

    async ensure(machineId, namespaces, signal) {
      const folder = folderOf(machineId);
      const living = livingIn(folder);
      if (living !== undefined) return `/proc/${living}/ns/pid`;
      if (basename(init) !== "catatonit") {
        throw new FksError("Unsupported", `${init} cannot hold a process namespace: catatonit can`);
      }
      await remove(machineId, signal);
      mkdirSync(`${folder}/root`, { recursive: true });
      const config = pauseConfig(init, namespaces, cgroups.pausePath(machineId));
      await writeFile(`${folder}/config.json`, JSON.stringify(config));
      const pidFile = `${folder}/pid`;
      const start = ["run", "--detach", "--pid-file", pidFile, "--bundle", folder];
      await runDetached([runtime.path, ...runtime.args, ...start, idOf(machineId)], folder, signal);
      const process = processAt(pidIn(pidFile) ?? 0);
      if (process === undefined) throw new FksError("Unavailable", "the pause process ended");
      const state = JSON.stringify({ ...process, bootId: bootId() });
      await writeFile(`${folder}/state.new`, state);
      await rename(`${folder}/state.new`, `${folder}/state.json`);
      return `/proc/${process.pid}/ns/pid`;
    },
  };
}

/** The container's name for the OCI runtime; none of `ociIdFor`. */
function idOf(machineId: string): string {
  return `${machineId}.pause`;
}

/** Its output is a file: a pipe of ours would stay open as long as the process that it starts. */
async function runDetached(
  argv: readonly string[],
  folder: string,
  signal: AbortSignal,
): Promise<void> {
  const log = `${folder}/log`;
  try {
    await runProgram(["sh", "-c", 'exec "$@" > "$0" 2>&1', log, ...argv], signal);
  } catch (error) {
    if (!FksError.is(error, "Unavailable")) throw error;
    const words = (await Bun.file(log).text()).trim();
    throw new FksError("Unavailable", `cannot start the pause process: ${words}`, { cause: error });
  }
}

function livingIn(folder: string): number | undefined {
  try {
    const state = pauseState.parse(JSON.parse(readFileSync(`${folder}/state.json`, "utf8")));
    return state.bootId === bootId() && isRunning(state) ? state.pid : undefined;
  } catch {
    return undefined;
  }
}

/** Alone in an empty folder, without a right: whoever sees it finds nothing of the host through it. */
function pauseConfig(init: string, namespaces: OciNamespaces, cgroup: string): unknown {
  const none = { bounding: [], effective: [], permitted: [] };
  return {
    ociVersion: "1.0.2",
    process: {
      terminal: false,
      user: { uid: PAUSE_USER, gid: PAUSE_USER },
      args: [PAUSE_PATH, "-P"],
      env: [],
      cwd: "/",
      capabilities: none,
      noNewPrivileges: true,
    },
    root: { path: "root", readonly: true },
    mounts: [
      { destination: "/proc", type: "proc", source: "proc" },
      { destination: "/dev", type: "tmpfs", source: "tmpfs", options: ["nosuid", "mode=755"] },
      {
        destination: PAUSE_PATH,
        type: "bind",
        source: init,
        options: ["rbind", "rprivate", "ro", "nosuid", "nodev"],
      },
    ],
    linux: {
      namespaces: [
        { type: "pid" },
        { type: "mount" },
        { type: "network", path: namespaces.network },
        { type: "uts", path: namespaces.uts },
        { type: "ipc", path: namespaces.ipc },
      ],
      cgroupsPath: cgroup,
      resources: { devices: [{ allow: false, access: "rwm" }] },
    },
  };
}

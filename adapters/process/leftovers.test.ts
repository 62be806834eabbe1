import { afterEach, beforeEach, expect, test } from "bun:test";
import {
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { hostClock } from "#adapters/host/clock.ts";
import { commandLineOf, processIdentity } from "#adapters/host/process-identity.ts";
import { memoryLog } from "#test/fakes/log.ts";
import { requireAlone } from "./leftovers.ts";
import { hostProcesses } from "./processes.ts";

const never = new AbortController().signal;
let dataDir = "";
let started: { readonly pid: number; readonly exited: Promise<unknown> }[] = [];

beforeEach(() => {
  dataDir = realpathSync(mkdtempSync(join(tmpdir(), "fks-leftovers-")));
  for (const folder of ["k3s", "k3s-old", "logs"]) mkdirSync(join(dataDir, folder));
  for (const folder of ["k3s", "k3s-old"]) writeFileSync(join(dataDir, folder, "state.db"), "");
});

afterEach(async () => {
  for (const { pid } of started) {
    if (processIdentity(pid) !== undefined) process.kill(pid, "SIGKILL");
  }
  // Their ends are written down, which would make the folder again.
  await Promise.all(started.map(({ exited }) => exited));
  started = [];
  rmSync(dataDir, { recursive: true, force: true });
});

const requireAloneIn = (dir = dataDir, log = memoryLog()) =>
  requireAlone(
    {
      folders: [join(dir, "k3s"), join(dir, "not-there")],
      logs: join(dir, "logs"),
      identityOf: processIdentity,
      commandLineOf,
      clock: hostClock(),
      log,
    },
    never,
  );

/** Waits until `script` has become the `sleep` that it ends with. */
async function asleep(child: (typeof started)[number]): Promise<number> {
  started.push(child);
  while (commandLineOf(child.pid) !== "sleep 60") await Bun.sleep(5);
  return child.pid;
}

/** A child of ours that nobody wrote down, or of which the file was lost. */
function forgotten(script: string): Promise<number> {
  const childrenFile = join(dataDir, "children.json");
  const logs = join(dataDir, "logs");
  const processes = hostProcesses({ logs, childrenFile, identityOf: processIdentity });
  const command = ["/bin/sh", "-c", `${script}; exec sleep 60`];
  return asleep(processes.spawn({ name: "k3s", command, env: {}, cwd: dataDir }));
}

function foreign(script: string): Promise<number> {
  const command = ["/bin/sh", "-c", `${script}; exec sleep 60`];
  return asleep(Bun.spawn(command, { cwd: dataDir, stdout: "ignore" }));
}

test.each(["cd k3s", "exec 7>>k3s/state.db", "exec 7<k3s/state.db"])(
  "a forgotten child of ours is found and ended: %s",
  async (script) => {
    const pid = await forgotten(script);
    const elsewhere = await forgotten("cd k3s-old; exec 7>>state.db");
    const log = memoryLog();

    expect(await requireAloneIn(dataDir, log)).toEqual(["sleep 60"]);
    expect(processIdentity(pid)).toBeUndefined();
    expect(processIdentity(elsewhere)).toBeDefined();
    expect(log.lines).toEqual([["forgotten child is ended", { pid, command: "sleep 60" }]]);
  },
);

test("somebody else who may write to the database is named and left alone, and all with it", async () => {
  const ours = await forgotten("cd k3s");
  const pid = await foreign("exec 7>>k3s/state.db");

  expect(await requireAloneIn().catch(String)).toBe(
    `FksError: process ${pid} (sleep 60) has ${dataDir}/k3s/state.db open: end it first`,
  );
  expect(processIdentity(pid)).toBeDefined();
  expect(processIdentity(ours)).toBeDefined();
});

test("who only looks on is in nobody's way, and neither are we ourselves", async () => {
  const reader = await foreign("cd k3s; exec 7<state.db");
  const fd = openSync(join(dataDir, "k3s/state.db"), "a");
  try {
    expect(await requireAloneIn()).toEqual([]);
  } finally {
    closeSync(fd);
  }
  expect(processIdentity(reader)).toBeDefined();
});

test("a data directory that is reached by another name is the same one", async () => {
  const pid = await forgotten("cd k3s");
  const link = join(dataDir, "link");
  symlinkSync(dataDir, link);

  expect(await requireAloneIn(link)).toEqual(["sleep 60"]);
  expect(processIdentity(pid)).toBeUndefined();
});

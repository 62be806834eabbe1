/**
 * From nothing to the first HTTP answer: a Machine of our runtime beside the OCI runtime alone, turn by
 * turn in one run, so that a busy host slows both. Root; `bun bench/runtime-start.ts [runs]`.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { hostClock } from "#adapters/host/clock.ts";
import { runProgram } from "#embedded/machines-api/network/run-program.ts";
import { foldersFor } from "#embedded/machines-api/runtime/crun/folders.ts";
import { findPrograms, hostCgroupLayout } from "#embedded/machines-api/runtime/crun/host.ts";
import {
  containerSpec,
  machineSpec,
  openWorld,
  type World,
} from "#embedded/machines-api/runtime/crun/testing/world.ts";
import { memoryLog } from "#test/fakes/log.ts";

const RUNS = Number(process.argv[2] ?? 20);
const WARM_UP_RUNS = 2;
const SERVER = ["httpd", "-f", "-p", "[::]:80", "-h", "/www"];

const { signal } = new AbortController();

interface Sample {
  readonly wholeMs: number;
  readonly startMs: number;
  readonly bareMs: number;
}

const world = await openWorld({ clock: hostClock(), log: memoryLog() });
const { ociRuntime } = findPrograms(hostCgroupLayout(), undefined);
const samples: Sample[] = [];
try {
  for (let run = 1; run <= RUNS + WARM_UP_RUNS; run += 1) {
    const sample = await measured(world, run);
    if (run > WARM_UP_RUNS) samples.push(sample);
  }
} finally {
  await world.close();
}
print(samples);

async function measured(there: World, serial: number): Promise<Sample> {
  const machine = machineSpec(there.plan, serial);
  const container = containerSpec(there, machine, SERVER);
  const begun = performance.now();
  await there.runtime.prepare(machine, signal);
  const prepared = performance.now();
  await there.runtime.start(container, signal);
  await answered(machine.address.ipv6);
  const ended = performance.now();

  const bareMs = await bare(there, container.id);
  await there.runtime.remove(machine.machineId, signal);
  return { wholeMs: ended - begun, startMs: ended - prepared, bareMs };
}

/** The same configuration in the same namespaces, run by the OCI runtime with nothing around it. */
async function bare(there: World, id: Parameters<World["runtime"]["release"]>[0]): Promise<number> {
  const machine = machineSpec(there.plan, Number.parseInt(id.machineId, 16));
  const folder = foldersFor(there.plan, there.machinesDir).attempt(id);
  const config = await Bun.file(folder.config).json();
  await there.runtime.release(id, signal);
  const bundle = mkdtempSync(`${tmpdir()}/fks-bare-`);
  const root = { path: there.imageRoot, readonly: false };
  await Bun.write(`${bundle}/config.json`, JSON.stringify({ ...config, root }));
  const argv = [ociRuntime, "--root", `${bundle}/state`];

  const begun = performance.now();
  // Its output must not be a pipe of ours: the container would hold the other end.
  const child = Bun.spawn([...argv, "run", "--detach", "--bundle", bundle, "bare"], {
    stdio: ["ignore", "ignore", "ignore"],
  });
  await child.exited;
  await answered(machine.address.ipv6);
  const tookMs = performance.now() - begun;

  await runProgram([...argv, "delete", "--force", "bare"], signal);
  rmSync(bundle, { recursive: true });
  return tookMs;
}

async function answered(address: string): Promise<void> {
  for (let tries = 0; tries < 5_000; tries += 1) {
    const answer = await fetch(`http://[${address}]/`, { keepalive: false }).catch(() => undefined);
    if (answer?.ok === true) return;
    await Bun.sleep(1);
  }
  throw new Error(`no answer from ${address}`);
}

function print(all: readonly Sample[]): void {
  const rows = {
    "Machine and container": all.map(({ wholeMs }) => wholeMs),
    "container of a prepared Machine": all.map(({ startMs }) => startMs),
    [`bare ${ociRuntime} run`]: all.map(({ bareMs }) => bareMs),
  };
  console.log(`${all.length} runs, milliseconds to the first HTTP answer`);
  console.table(
    Object.entries(rows).map(([what, times]) => ({
      what,
      median: at(times, 0.5),
      p90: at(times, 0.9),
    })),
  );
}

function at(times: readonly number[], share: number): number {
  const sorted = times.toSorted((a, b) => a - b);
  return Number((sorted[Math.floor(sorted.length * share)] ?? 0).toFixed(1));
}

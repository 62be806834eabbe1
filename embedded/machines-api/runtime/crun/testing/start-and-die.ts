/** Starts a container as another process would, and is killed before it could say goodbye. */
import { networkPlanFor } from "#core/fly/network.ts";
import type { Clock } from "#core/ports/clock.ts";
import type { Log } from "#core/ports/log.ts";
import { crunRuntime } from "../crun.ts";
import { containerSpec, machineSpec } from "./world.ts";

const [id = "", machinesDir = "", imageRoot = "", serial = ""] = process.argv.slice(2);

const clock: Clock = {
  now: () => Date.now(),
  after: (delayMs, fire) => void setTimeout(fire, delayMs),
  timeout: (delayMs) => AbortSignal.timeout(delayMs),
};
const quiet = (): void => {};
const log: Log = { debug: quiet, info: quiet, warn: quiet, error: quiet, with: () => log };

const { signal } = new AbortController();
const plan = networkPlanFor(id);
const runtime = crunRuntime({ plan, machinesDir, clock, log }, signal);
const machine = machineSpec(plan, Number(serial));
await runtime.prepare(machine, signal);
const script = "trap 'exit 42' TERM; echo ready; while :; do sleep 0.05; done";
await runtime.start(containerSpec({ imageRoot }, machine, ["sh", "-c", script]), signal);
process.kill(process.pid, "SIGKILL");

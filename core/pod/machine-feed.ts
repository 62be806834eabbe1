import type { Apps } from "../ports/apps.ts";
import { type Clock, sleep } from "../ports/clock.ts";
import type { Log } from "../ports/log.ts";
import type { MachineProtocol } from "../ports/machine-protocol.ts";
import type { Machines } from "../ports/machines.ts";
import { reportFor } from "./fly-report.ts";
import type { MachineView } from "./machine-view.ts";

import { stillThere } from "./still-there.ts";

const RETRY_MIN_MS = 250;
const RETRY_MAX_MS = 10_000;
const RELIST_MS = 10_000;

interface FeedDeps {
  readonly view: MachineView;
  readonly clock: Clock;
  readonly log: Log;
}

/** Keeps the view up to date from the change stream, again and again, until `signal` aborts. */
export async function followMachines(
  deps: FeedDeps & { readonly protocol: MachineProtocol },
  signal: AbortSignal,
): Promise<void> {
  const { view, protocol, clock, log } = deps;
  let delayMs = RETRY_MIN_MS;
  while (!signal.aborted) {
    try {
      view.begin();
      for await (const change of protocol.watch(signal)) {
        view.apply(change);
        if (change.type === "synced") delayMs = RETRY_MIN_MS;
      }
    } catch (err) {
      if (!signal.aborted) log.warn("machine watch lost", { err, retry_in_ms: delayMs });
    }
    view.end();
    if (!(await pause(clock, delayMs, signal))) return;
    delayMs = Math.min(RETRY_MAX_MS, delayMs * 2);
  }
}

/** Keeps the view up to date where there is no change stream: lists every App of ours. */
export async function relistMachines(
  deps: FeedDeps & {
    readonly apps: Apps;
    readonly machines: Machines;
    readonly clusterUid: string;
  },
  signal: AbortSignal,
): Promise<void> {
  const { clock, log } = deps;
  while (!signal.aborted) {
    try {
      await listOnce(deps, signal);
    } catch (err) {
      if (!signal.aborted) log.warn("machines not listed", { err, retry_in_ms: RELIST_MS });
    }
    if (!(await pause(clock, RELIST_MS, signal))) return;
  }
}

async function listOnce(
  { view, apps, machines, clusterUid }: Parameters<typeof relistMachines>[0],
  signal: AbortSignal,
): Promise<void> {
  view.begin();
  const seen = new Set<string>();
  for (const { name: app } of await apps.list(signal)) {
    for (const machine of await machines.list(app, { fks_cluster: clusterUid }, signal)) {
      seen.add(machine.id);
      view.apply({ type: "machine", app, machine, report: reportFor(machine) });
    }
  }
  // A list that leaves a Machine out has been wrong before: ask for it by its id.
  for (const { app, machine } of view.all().filter((one) => !seen.has(one.machine.id))) {
    const found = await stillThere(machines, app, machine.id, signal);
    if (found !== undefined) {
      view.apply({ type: "machine", app, machine: found, report: reportFor(found) });
    }
  }
  view.apply({ type: "synced" });
}

/** False when the wait was aborted. */
async function pause(clock: Clock, delayMs: number, signal: AbortSignal): Promise<boolean> {
  try {
    await sleep(clock, delayMs, signal);
    return true;
  } catch {
    return false;
  }
}

import { FksError } from "../errors.ts";
import type { MachineRef } from "../fly/machine-protocol.ts";
import type { Pod } from "../kube/pod.ts";
import { failedEvent } from "../pod/pod-events.ts";
import { type Clock, sleep } from "../ports/clock.ts";
import type { Log } from "../ports/log.ts";
import type { MachineProtocol } from "../ports/machine-protocol.ts";
import type { NodeEvents, PodEvent, PodEvents } from "../ports/pods.ts";
import type { PodUsage } from "../usage/usage.ts";
import { EVICTED, isCritical } from "./admission.ts";
import { exceededLimit, hasDiskLimit } from "./limits.ts";
import { type EvictionMessage, evictionMessage } from "./message.ts";
import { changedEvents, thresholdMetEvent } from "./node-events.ts";
import type { HostLook, PressureTracker } from "./pressure-tracker.ts";
import { type Candidate, rankedFor } from "./ranking.ts";
import { PRESSURE_OF, type Pressure } from "./signals.ts";
import type { Threshold } from "./thresholds.ts";

const LOOK_MS = 10_000;
/** What a Pod that is evicted gets to stop, whatever it asks for. */
const GRACE_SECONDS = 1;
/** How long the next look waits for what was evicted to be gone. */
const GONE_MAX_MS = 30_000;
const GONE_LOOK_MS = 1_000;
const TERMINATION_BY_KUBELET = "TerminationByKubelet";

/** A Pod whose Machine runs, or starts. */
export interface Active {
  readonly pod: Pod;
  readonly machine: MachineRef;
}

export interface EvictorDeps {
  readonly pressure: PressureTracker;
  readonly nodes: readonly string[];
  readonly active: () => readonly Active[];
  /** What Pods use, a few seconds ago at most. */
  readonly usages: () => Promise<readonly PodUsage[]>;
  readonly protocol: Pick<MachineProtocol, "end" | "reclaim">;
  readonly events: PodEvents;
  readonly nodeEvents: NodeEvents;
  readonly clock: Clock;
  readonly log: Log;
}

/**
 * Holds Pods to their limits on the disk, and ends one after the other while the host is short of
 * something, until `signal` aborts. It looks every ten seconds, and at once again after an eviction.
 * A Pod's end is written down by the Machines API, so whoever comes after us goes on.
 */
export async function runEvictor(deps: EvictorDeps, signal: AbortSignal): Promise<void> {
  const { pressure, clock, log } = deps;
  let told: readonly Pressure[] = [];

  async function look(): Promise<readonly Active[]> {
    const { reading, met } = pressure.look();
    const nowMs = clock.now();
    const pressures = pressure.current();
    await tellNodes(deps, (node) => changedEvents(node, told, pressures, nowMs), signal);
    told = pressures;
    const active = deps.active();
    if (met.length === 0 && !active.some(({ pod }) => hasDiskLimit(pod))) return [];

    const usages = new Map((await deps.usages()).map((one) => [one.pod.metadata.uid, one]));
    const over = await evictOver(deps, { active, usages }, signal);
    const [worst] = met;
    if (over.length > 0 || worst === undefined) return over;
    await tellNodes(deps, () => [thresholdMetEvent(worst, nowMs)], signal);
    if (await isReclaimed(worst)) return [];
    return evictOne(deps, { reading, met }, { active, usages }, signal);
  }

  /** Images that nobody needs go before Pods do. */
  async function isReclaimed({ signal: short }: Threshold): Promise<boolean> {
    if (PRESSURE_OF[short] !== "DiskPressure") return false;
    try {
      await deps.protocol.reclaim(signal);
    } catch (err) {
      if (!(err instanceof FksError)) throw err;
      log.warn("nothing was reclaimed", { err });
    }
    return pressure.look().met.length === 0;
  }

  async function untilGone(evicted: readonly Active[]): Promise<void> {
    const untilMs = clock.now() + GONE_MAX_MS;
    const isHere = ({ pod }: Active): boolean =>
      deps.active().some((one) => one.pod.metadata.uid === pod.metadata.uid);
    while (evicted.some(isHere) && clock.now() < untilMs) {
      await sleep(clock, GONE_LOOK_MS, signal);
    }
  }

  while (!signal.aborted) {
    try {
      const evicted = await look();
      if (evicted.length > 0) await untilGone(evicted);
      else await sleep(clock, LOOK_MS, signal);
    } catch (err) {
      if (signal.aborted) return;
      if (!(err instanceof FksError)) throw err;
      log.warn("nothing could be evicted", { err, retry_in_ms: LOOK_MS });
      await sleep(clock, LOOK_MS, signal).catch(() => {});
    }
  }
}

interface Surroundings {
  readonly active: readonly Active[];
  readonly usages: ReadonlyMap<string, PodUsage>;
}

async function evictOver(
  deps: EvictorDeps,
  { active, usages }: Surroundings,
  signal: AbortSignal,
): Promise<readonly Active[]> {
  const over: Active[] = [];
  for (const one of active) {
    const usage = usages.get(one.pod.metadata.uid);
    const message = usage && exceededLimit({ ...usage, pod: one.pod });
    if (message === undefined || isCritical(one.pod)) continue;
    await evict(deps, one, { message }, signal);
    over.push(one);
  }
  return over;
}

/** The first in the kubelet's order, if there is one that may go. */
async function evictOne(
  deps: EvictorDeps,
  { reading, met }: HostLook,
  { active, usages }: Surroundings,
  signal: AbortSignal,
): Promise<readonly Active[]> {
  const [worst] = met;
  if (worst === undefined) return [];
  const candidates = active
    .filter(({ pod }) => !isCritical(pod))
    .map((one) => ({ ...one, usage: usages.get(one.pod.metadata.uid) }));
  const [first] = rankedFor<Active & Candidate>(candidates, worst.signal, reading);
  if (first === undefined) return [];
  const words = evictionMessage(first, worst, met, reading);
  await evict(deps, first, { ...words, disruption: TERMINATION_BY_KUBELET }, signal);
  return [first];
}

interface Words {
  readonly message: string;
  readonly annotations?: EvictionMessage["annotations"];
  readonly disruption?: string;
}

/** Ended first, told second: an Event about what did not happen could not be taken back. */
async function evict(
  { protocol, events, clock, log }: EvictorDeps,
  { pod, machine }: Active,
  { message, annotations, disruption }: Words,
  signal: AbortSignal,
): Promise<void> {
  const end = { reason: EVICTED, message, ...(disruption === undefined ? {} : { disruption }) };
  try {
    await protocol.end(machine, { ...end, graceSeconds: GRACE_SECONDS }, signal);
  } catch (error) {
    // It is on its way out already.
    if (FksError.is(error, "Conflict") || FksError.is(error, "NotFound")) return;
    throw error;
  }
  const { namespace, name } = pod.metadata;
  log.warn("pod evicted", { pod: `${namespace}/${name}`, machine: machine.id, message });
  const event = failedEvent(EVICTED, message, clock.now());
  const told = annotations === undefined ? event : { ...event, annotations };
  await telling(log, () => events.record(pod, told, signal));
}

async function tellNodes(
  { nodes, nodeEvents, log }: EvictorDeps,
  eventsOf: (node: string) => readonly PodEvent[],
  signal: AbortSignal,
): Promise<void> {
  for (const node of nodes) {
    for (const event of eventsOf(node)) {
      await telling(log, () => nodeEvents.record(node, event, signal));
    }
  }
}

/** Whom nobody can be told of goes all the same: the API server may be short of the same disk. */
async function telling(log: Log, tell: () => Promise<void>): Promise<void> {
  try {
    await tell();
  } catch (err) {
    if (!(err instanceof FksError)) throw err;
    log.warn("event not told", { err });
  }
}

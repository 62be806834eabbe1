import { FksError } from "../errors.ts";
import type { MachineRef } from "../fly/machine-protocol.ts";
import type { Pod } from "../kube/pod.ts";
import { failedEvent } from "../pod/pod-events.ts";
import type { Rejection } from "../pod/security.ts";
import { type Clock, sleep } from "../ports/clock.ts";
import type { Log } from "../ports/log.ts";
import type { MachineProtocol } from "../ports/machine-protocol.ts";
import type { NodeEvents, PodEvent, PodEvents } from "../ports/pods.ts";
import type { PodUsage } from "../usage/usage.ts";
import { EVICTED, isCritical, pressureRejectionFor } from "./admission.ts";
import { exceededLimit, hasDiskLimit } from "./limits.ts";
import { type EvictionMessage, evictionMessage } from "./message.ts";
import { changedEvents, thresholdMetEvent } from "./node-events.ts";
import { type PressureSource, type PressureState, pressureSeen, pressuresAt } from "./pressure.ts";
import { type Candidate, rankedFor } from "./ranking.ts";
import { type HostReading, PRESSURE_OF, type Pressure } from "./signals.ts";
import { type Threshold, thresholdsMet } from "./thresholds.ts";

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
  readonly thresholds: readonly Threshold[];
  /** The host as it is now. */
  readonly read: () => HostReading;
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

export interface Evictor {
  readonly pressure: PressureSource;
  /** Why a new Pod is not let in now. */
  rejectionFor(pod: Pod): Rejection | undefined;
  /** Looks every ten seconds, and at once again after an eviction. */
  run(signal: AbortSignal): Promise<void>;
}

/**
 * Holds Pods to their limits on the disk, and ends one after the other while the host is short of
 * something. A Pod's end is written down by the Machines API, so whoever comes after us goes on.
 */
export function evictor(deps: EvictorDeps): Evictor {
  const { thresholds, read, clock, log } = deps;
  const listeners: (() => void)[] = [];
  let state: PressureState = new Map();
  /** What listeners heard, and what Events tell of. */
  let told: readonly Pressure[] = [];
  let reported: readonly Pressure[] = [];
  const current = (): readonly Pressure[] => pressuresAt(state, clock.now());

  /** What is crossed now; the Nodes hear of it when it is something new. */
  function observe(reading: HostReading): readonly Threshold[] {
    const met = thresholdsMet(thresholds, reading);
    state = pressureSeen(state, met, clock.now());
    const pressures = current();
    if (pressures.join() === told.join()) return met;
    log.warn("node pressure changed", { before: told, now: pressures });
    told = pressures;
    for (const listener of listeners) listener();
    return met;
  }

  async function look(signal: AbortSignal): Promise<readonly Active[]> {
    const reading = read();
    const met = observe(reading);
    const nowMs = clock.now();
    await tellNodes(deps, (node) => changedEvents(node, reported, told, nowMs), signal);
    reported = told;
    const active = deps.active();
    if (met.length === 0 && !active.some(({ pod }) => hasDiskLimit(pod))) return [];

    const usages = new Map((await deps.usages()).map((one) => [one.pod.metadata.uid, one]));
    const over = await evictOver(deps, active, usages, signal);
    const [worst] = met;
    if (over.length > 0 || worst === undefined) return over;
    await tellNodes(deps, () => [thresholdMetEvent(worst, nowMs)], signal);
    if (await isReclaimed(worst, signal)) return [];
    return evictOne(worst, met, reading, { active, usages }, signal);
  }

  /** Images that nobody needs go before Pods do. */
  async function isReclaimed({ signal: short }: Threshold, signal: AbortSignal): Promise<boolean> {
    if (PRESSURE_OF[short] !== "DiskPressure") return false;
    try {
      await deps.protocol.reclaim(signal);
    } catch (err) {
      if (!(err instanceof FksError)) throw err;
      log.warn("nothing was reclaimed", { err });
    }
    return observe(read()).length === 0;
  }

  async function evictOne(
    worst: Threshold,
    met: readonly Threshold[],
    reading: HostReading,
    { active, usages }: Surroundings,
    signal: AbortSignal,
  ): Promise<readonly Active[]> {
    const candidates = active
      .filter(({ pod }) => !isCritical(pod))
      .map((one) => ({ ...one, usage: usages.get(one.pod.metadata.uid) }));
    const [first] = rankedFor<Active & Candidate>(candidates, worst.signal, reading);
    if (first === undefined) return [];
    const words = evictionMessage(first, worst, met, reading);
    await evict(deps, first, { ...words, disruption: TERMINATION_BY_KUBELET }, signal);
    return [first];
  }

  async function untilGone(evicted: readonly Active[], signal: AbortSignal): Promise<void> {
    const untilMs = clock.now() + GONE_MAX_MS;
    const isHere = ({ pod }: Active): boolean =>
      deps.active().some((one) => one.pod.metadata.uid === pod.metadata.uid);
    while (evicted.some(isHere) && clock.now() < untilMs) {
      await sleep(clock, GONE_LOOK_MS, signal);
    }
  }

  observe(read());
  return {
    pressure: { current, onChange: (listener) => void listeners.push(listener) },
    rejectionFor: (pod) => pressureRejectionFor(pod, current()),
    async run(signal) {
      while (!signal.aborted) {
        try {
          const evicted = await look(signal);
          if (evicted.length > 0) await untilGone(evicted, signal);
          else await sleep(clock, LOOK_MS, signal);
        } catch (err) {
          if (signal.aborted) return;
          if (!(err instanceof FksError)) throw err;
          log.warn("nothing could be evicted", { err, retry_in_ms: LOOK_MS });
          await sleep(clock, LOOK_MS, signal).catch(() => {});
        }
      }
    },
  };
}

interface Surroundings {
  readonly active: readonly Active[];
  readonly usages: ReadonlyMap<string, PodUsage>;
}

async function evictOver(
  deps: EvictorDeps,
  active: readonly Active[],
  usages: Surroundings["usages"],
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
  await events.record(pod, told, signal);
}

async function tellNodes(
  { nodes, nodeEvents }: EvictorDeps,
  eventsOf: (node: string) => readonly PodEvent[],
  signal: AbortSignal,
): Promise<void> {
  for (const node of nodes) {
    for (const event of eventsOf(node)) await nodeEvents.record(node, event, signal);
  }
}

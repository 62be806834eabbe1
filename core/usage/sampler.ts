import { FksError, messageOf } from "../errors.ts";
import type { MachineUsage } from "../fly/machine-protocol.ts";
import { type Clock, sleep } from "../ports/clock.ts";
import type { Log } from "../ports/log.ts";
import {
  keyOf,
  type NodeUsage,
  type Placed,
  podUsages,
  type Sample,
  sampleOf,
  usedSince,
} from "./usage.ts";

/** One reading serves everybody who asks within this time. */
const FRESH_MS = 5_000;
/** Rates are against the newest reading at least this much older, as long as the CPU is metered. */
const RATE_MIN_MS = 10_000;
const LOOK_MS = 15_000;
/** While nobody has asked for a while: just so that the first answer has rates. */
const IDLE_LOOK_MS = 60_000;
const ASKED_LATELY_MS = 300_000;

export interface UsageSampler {
  /** What a Node and its Pods use, at most five seconds ago. Throws as the reading does. */
  node(name: string): Promise<NodeUsage>;
  /** Of every Node, about fifteen seconds ago at most. */
  nodes(): Promise<readonly NodeUsage[]>;
  /** Reads every fifteen seconds, and every minute while nobody asks. */
  run(signal: AbortSignal): Promise<void>;
}

interface SamplerDeps {
  readonly read: (signal: AbortSignal) => Promise<readonly MachineUsage[]>;
  readonly nodes: readonly string[];
  readonly placed: () => readonly Placed[];
  readonly clock: Clock;
  readonly log: Log;
}

/** What Pods and Nodes use, from readings of all Machines at once, until `signal` aborts. */
export function usageSampler(deps: SamplerDeps, signal: AbortSignal): UsageSampler {
  const { nodes, placed, clock, log } = deps;
  const sinceMs = clock.now();
  const counters = new Map(nodes.map((name) => [name, 0]));
  /** Newest first: the ones young enough to have no rate against each other, and one older. */
  let samples: readonly Sample[] = [];
  let reading: Promise<Sample> | undefined;
  let askedAtMs = sinceMs - ASKED_LATELY_MS;

  async function readNow(): Promise<Sample> {
    const sample = sampleOf(await deps.read(signal), clock.now());
    count(sample, samples[0]);
    const young = samples.filter(({ atMs }) => sample.atMs - atMs < RATE_MIN_MS);
    samples = [sample, ...samples.slice(0, young.length + 1)];
    return sample;
  }

  function count(sample: Sample, before: Sample | undefined): void {
    for (const { pod, machine } of placed()) {
      const usage = sample.machines.get(keyOf(machine));
      const node = pod.spec.nodeName ?? "";
      if (usage === undefined) continue;
      const used = usedSince(usage, before?.machines.get(keyOf(machine)));
      counters.set(node, (counters.get(node) ?? 0) + used);
    }
  }

  function newest(maxAgeMs: number): Promise<Sample> {
    const [last] = samples;
    if (last !== undefined && clock.now() - last.atMs < maxAgeMs) return Promise.resolve(last);
    // Whoever asks meanwhile shares its fate; the next one asks anew.
    reading ??= readNow().finally(() => {
      reading = undefined;
    });
    return reading;
  }

  async function usages(maxAgeMs: number): Promise<readonly NodeUsage[]> {
    askedAtMs = clock.now();
    const sample = await newest(maxAgeMs);
    const earlier = samples.find(({ atMs }) => sample.atMs - atMs >= RATE_MIN_MS);
    const pods = podUsages(placed(), sample, earlier);
    return nodes.map((name) => ({
      name,
      atMs: sample.atMs,
      sinceMs,
      cpuNanoseconds: counters.get(name) ?? 0,
      pods: pods.filter(({ pod }) => pod.spec.nodeName === name),
    }));
  }

  return {
    async node(name) {
      const usage = (await usages(FRESH_MS)).find((node) => node.name === name);
      if (usage === undefined) throw new FksError("NotFound", `node "${name}" not found`);
      return usage;
    },
    nodes: () => usages(LOOK_MS + FRESH_MS),
    async run(running) {
      while (!running.aborted) {
        // oxlint-disable-next-line no-await-in-loop -- one reading after the other
        await newest(FRESH_MS).catch((error: unknown) => {
          if (running.aborted) return;
          if (!(error instanceof FksError)) throw error;
          log.debug("usage was not read", { reason: messageOf(error) });
        });
        const wasAsked = clock.now() - askedAtMs < ASKED_LATELY_MS;
        // oxlint-disable-next-line no-await-in-loop -- its pace
        await sleep(clock, wasAsked ? LOOK_MS : IDLE_LOOK_MS, running).catch(() => undefined);
      }
    },
  };
}

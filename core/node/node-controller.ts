import { FksError } from "../errors.ts";
import type { PressureSource } from "../eviction/pressure.ts";
import { type Clock, sleep } from "../ports/clock.ts";
import type { Log } from "../ports/log.ts";
import type { Leases, Nodes } from "../ports/nodes.ts";
import type { HealthSource } from "./health.ts";
import {
  hasMetadata,
  haveConditionsChanged,
  type NodeDescription,
  nodeMetadataFor,
  nodeStatusFor,
} from "./node.ts";

const LEASE_SECONDS = 40;
const LEASE_EVERY_MS = 10_000;
const LOOK_EVERY_MS = 10_000;
const REPORT_EVERY_MS = 300_000;
const RETRY_FIRST_MS = 200;
/** Short: an API server that is back declares Nodes it has not heard of Unknown within seconds. */
const RETRY_MAX_MS = 1_000;

export interface NodeControllerDeps {
  readonly description: NodeDescription;
  readonly nodes: Nodes;
  readonly leases: Leases;
  readonly health: HealthSource;
  readonly pressure: PressureSource;
  readonly clock: Clock;
  readonly log: Log;
}

/**
 * Keeps one Node there, alive and honest until `signal` aborts: the Lease first and every ten
 * seconds, the object again whenever it is missing, the status when it changed and every five
 * minutes. Nothing is taken back at the end: Machines outlive us.
 */
export async function runNodeController(
  deps: NodeControllerDeps,
  signal: AbortSignal,
): Promise<void> {
  const state: State = { nodeUid: undefined, reported: undefined, reportedAtMs: undefined };
  await Promise.all([keepLease(deps, state, signal), keepNode(deps, state, signal)]);
}

/** What a restart may lose: at worst the status is reported once more. */
interface State {
  nodeUid: string | undefined;
  /** What was last reported, heartbeats left out. */
  reported: string | undefined;
  reportedAtMs: number | undefined;
}

async function keepLease(
  { description, leases, clock, log }: NodeControllerDeps,
  state: State,
  signal: AbortSignal,
): Promise<void> {
  const { name } = description;
  await repeat(
    { clock, log: log.with({ node: name }), what: "lease" },
    async (worked) => {
      const { nodeUid } = state;
      const owner = nodeUid === undefined ? {} : { nodeUid };
      await leases.renew(
        name,
        { nowMs: clock.now(), durationSeconds: LEASE_SECONDS, ...owner },
        signal,
      );
      worked();
      return sleep(clock, LEASE_EVERY_MS, signal);
    },
    signal,
  );
}

async function keepNode(
  deps: NodeControllerDeps,
  state: State,
  signal: AbortSignal,
): Promise<void> {
  const { description, health, pressure, clock, log } = deps;
  let wake = Promise.withResolvers<void>();
  health.onChange(() => wake.resolve());
  pressure.onChange(() => wake.resolve());
  const scope = { clock, log: log.with({ node: description.name }), what: "node status" };

  await repeat(
    scope,
    async (worked) => {
      wake = Promise.withResolvers<void>();
      await syncNode(deps, state, signal);
      worked();
      const next = new AbortController();
      const either = AbortSignal.any([signal, next.signal]);
      await Promise.race([sleep(clock, LOOK_EVERY_MS, either), wake.promise]).finally(() =>
        next.abort(),
      );
    },
    signal,
  );
}

/** One look: creates what is missing, reports what changed. */
async function syncNode(
  { description, nodes, health, pressure, clock, log }: NodeControllerDeps,
  state: State,
  signal: AbortSignal,
): Promise<void> {
  const { name, taints } = description;
  const metadata = nodeMetadataFor(description);
  const found = await nodes.read(name, signal);
  if (found === undefined && taints.length > 0) await nodes.register(name, taints, signal);
  const isKnown = found !== undefined && found.metadata.uid === state.nodeUid;
  const node =
    isKnown && hasMetadata(found, metadata)
      ? found
      : await nodes.applyObject(name, metadata, signal);
  if (!isKnown) {
    log.info(found === undefined ? "node created" : "node adopted", { node: name });
    state.nodeUid = node.metadata.uid;
    state.reported = undefined;
  }

  const current = health.current();
  if (current === undefined) return;
  const status = nodeStatusFor(
    description,
    { health: current, pressures: pressure.current() },
    node.status,
    clock.now(),
  );
  const { conditions: _, ...rest } = status;
  const facts = JSON.stringify(rest);
  const isDue = clock.now() - (state.reportedAtMs ?? 0) >= REPORT_EVERY_MS;
  if (facts === state.reported && !isDue && !haveConditionsChanged(node.status, status)) return;

  await nodes.applyStatus(name, status, signal);
  if (haveConditionsChanged(node.status, status)) {
    log.info("node condition changed", { node: name, ready: current.isReady });
  }
  state.reported = facts;
  state.reportedAtMs = clock.now();
}

/** Does `once` over and over; an expected failure is told once, and tried again until it is over. */
async function repeat(
  { clock, log, what }: { readonly clock: Clock; readonly log: Log; readonly what: string },
  once: (worked: () => void) => Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  let failures = 0;
  while (!signal.aborted) {
    try {
      await once(() => {
        if (failures > 0) log.info("node reported again", { what, failures });
        failures = 0;
      });
    } catch (err) {
      if (signal.aborted) return;
      if (!(err instanceof FksError)) throw err;
      if (failures === 0) log.warn("node cannot be reported", { what, err });
      const retryInMs = Math.min(RETRY_FIRST_MS * 2 ** failures, RETRY_MAX_MS);
      failures += 1;
      await sleep(clock, Math.max(retryInMs, err.retryAfterMs ?? 0), signal).catch(() => {});
    }
  }
}

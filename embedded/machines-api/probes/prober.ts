/**
 * Asks the probes of every running container and writes down what comes of it.
 *
 * Each probe has its own timer. Three thousand of them cost the event loop's heap nothing to speak
 * of, and a probe that is slow or a clock that jumps holds up no other, as a wheel would.
 */
import { messageOf } from "#core/errors.ts";
import type { ProbeSpec } from "#core/fly/machine-protocol.ts";
import type { Clock } from "#core/ports/clock.ts";
import type { Log } from "#core/ports/log.ts";
import type { Addresses } from "../addresses.ts";
import type { Bundles } from "../bundles.ts";
import type { Conduct } from "../conduct.ts";
import { told, warning } from "../container-events.ts";
import { startsAgainAfterFailure } from "../policy.ts";
import { containerOf, type MachineRecord, withContainer } from "../record.ts";
import type { Change } from "../work.ts";
import type { Actions } from "./actions.ts";
import type { Outcome } from "./outcome.ts";
import {
  firstProbeMs,
  isProbed,
  judged,
  NO_STREAK,
  PROBE_KINDS,
  type ProbeKind,
  probed,
  type Streak,
  type Verdict,
} from "./probe-state.ts";

interface ProberDeps {
  readonly actions: Actions;
  readonly bundles: Bundles;
  readonly addresses: Addresses;
  readonly clock: Clock;
  readonly log: Log;
  readonly get: (machineId: string) => MachineRecord | undefined;
  readonly change: (machineId: string, how: Change) => void;
}

export interface Prober {
  /** Starts and ends probes as the Machine is now. Called with each of its changes. */
  look(record: MachineRecord): void;
}

interface Asking {
  readonly machineId: string;
  readonly name: string;
  readonly kind: ProbeKind;
  readonly attempt: number;
  readonly spec: ProbeSpec;
  readonly stop: AbortController;
  streak: Streak;
  told: { readonly message: string; readonly atMs: number } | undefined;
}

/** How often a probe that cannot be asked is tried before that counts. */
const TRIES = 3;
/** The same failure is told again only after this long: a Machine keeps fifty events. */
const RETELL_MS = 60_000;
const MESSAGE_MAX_CHARS = 1_024;

/** Runs until `signal` aborts. */
export function prober(deps: ProberDeps, signal: AbortSignal): Prober {
  const { actions, bundles, addresses, clock, log } = deps;
  const sinceMs = clock.now();
  const machines = new Map<string, Map<string, Asking>>();

  function look(record: MachineRecord): void {
    if (signal.aborted) return;
    const conducts = bundles.conducts(record.id);
    const running = machines.get(record.id);
    if (running === undefined && ![...conducts.values()].some(({ probes }) => probes)) return;
    const before = running ?? new Map<string, Asking>();
    const now = new Map<string, Asking>();
    for (const container of record.containers) {
      const { name, attempt } = container;
      for (const kind of PROBE_KINDS) {
        const spec = conducts.get(name)?.probes?.[kind];
        if (spec === undefined || !isProbed(record, container, kind)) continue;
        const key = `${name}/${kind}`;
        const same = before.get(key);
        if (same?.attempt === attempt && Bun.deepEquals(same.spec, spec)) {
          now.set(key, same);
          continue;
        }
        const asking: Asking = {
          machineId: record.id,
          name,
          kind,
          attempt,
          spec,
          stop: new AbortController(),
          streak: NO_STREAK,
          told: undefined,
        };
        now.set(key, asking);
        const spread = spreadOf(`${record.id}/${key}`);
        const nowMs = clock.now();
        askAt(asking, firstProbeMs(spec, container, { nowMs, sinceMs, spread }));
      }
    }
    for (const [key, asking] of before) {
      if (now.get(key) !== asking)
        asking.stop.abort(new Error("the container is not probed any more"));
    }
    if (now.size > 0) machines.set(record.id, now);
    else machines.delete(record.id);
  }

  function askAt(asking: Asking, atMs: number): void {
    const delayMs = atMs - clock.now();
    if (delayMs <= 0) void ask(asking);
    else clock.after(delayMs, () => void ask(asking), asking.stop.signal);
  }

  async function ask(asking: Asking): Promise<void> {
    const atMs = clock.now();
    const until = asking.stop.signal;
    if (signal.aborted) return;
    try {
      const outcome = await outcomeOf(asking, until);
      if (until.aborted || signal.aborted) return;
      conclude(asking, outcome);
    } catch (err) {
      const { machineId: machine, name: container, kind: probe } = asking;
      if (!until.aborted) log.warn("probe was not counted", { machine, container, probe, err });
    }
    if (!until.aborted) askAt(asking, atMs + asking.spec.periodSeconds * 1_000);
  }

  async function outcomeOf(asking: Asking, until: AbortSignal): Promise<Outcome | Errored> {
    const { machineId, name, attempt, spec } = asking;
    const serial = deps.get(machineId)?.serial ?? 0;
    const target = { id: { machineId, name, attempt }, address: addresses.of(serial) };
    let message = "";
    for (let tries = 0; tries < TRIES && !until.aborted; tries += 1) {
      try {
        return await actions.probe(spec.handler, target, spec.timeoutSeconds * 1_000, until);
      } catch (error) {
        message = messageOf(error);
      }
    }
    return { is: "errored", message };
  }

  function conclude(asking: Asking, outcome: Outcome | Errored): void {
    const { machineId, name, kind, spec } = asking;
    const event = eventFor(kind, outcome);
    const nowMs = clock.now();
    const isNew =
      event !== undefined &&
      (asking.told?.message !== event.message || nowMs - asking.told.atMs >= RETELL_MS);
    const { streak, verdict } =
      outcome.is === "errored"
        ? { streak: asking.streak, verdict: undefined }
        : probed(asking.streak, spec, outcome.is === "failure" ? "failure" : "success");
    const conduct = bundles.conducts(machineId).get(name) ?? {};
    const found = { verdict, nowMs, ...(isNew ? { event } : {}) };
    const how: Change = (record) => withFinding(record, asking, found, conduct);
    const record = deps.get(machineId);
    // Most results change nothing, and are not worth a look at the whole Machine.
    if (record !== undefined && how(record, { nowMs, ids: NO_IDS }) !== record) {
      deps.change(machineId, how);
    }
    asking.streak = streak;
    if (isNew) asking.told = { message: event.message, atMs: nowMs };
    if (outcome.is === "success") asking.told = undefined;
  }

  return { look };
}

interface Finding {
  readonly verdict: Verdict | undefined;
  readonly nowMs: number;
  /** Absent: it was told already, or there is nothing to tell. */
  readonly event?: ReturnType<typeof warning>;
}

/** The record with what a probe found; the same one when that changes nothing. */
function withFinding(
  record: MachineRecord,
  { name, kind, attempt }: Asking,
  { verdict, nowMs, event }: Finding,
  conduct: Conduct,
): MachineRecord {
  const container = containerOf(record, name);
  if (container?.attempt !== attempt || !isProbed(record, container, kind)) return record;
  const isRestarted = startsAgainAfterFailure(record, name);
  const next =
    verdict === undefined
      ? container
      : judged(container, conduct, { kind, verdict, nowMs, isRestarted });
  const changed = next === container ? record : withContainer(record, next);
  return event === undefined ? changed : told(changed, name, event, nowMs);
}

interface Errored {
  readonly is: "errored";
  readonly message: string;
}

/** A probe's change tells nothing of the Machine as a whole. */
const NO_IDS = { ulid: () => "" };

const LABELS: Readonly<Record<ProbeKind, string>> = {
  startup: "Startup",
  liveness: "Liveness",
  readiness: "Readiness",
};

function eventFor(kind: ProbeKind, outcome: Outcome | Errored) {
  if (outcome.is === "success") return undefined;
  const text = outcome.message.slice(0, MESSAGE_MAX_CHARS);
  const label = LABELS[kind];
  if (outcome.is === "warning") return warning("ProbeWarning", `${label} probe warning: ${text}`);
  return warning(
    "Unhealthy",
    outcome.is === "failure"
      ? `${label} probe failed: ${text}`
      : `${label} probe errored and resulted in unknown state: ${text}`,
  );
}

/** From 0 to 1, always the same for one probe. */
function spreadOf(key: string): number {
  return Bun.hash.crc32(key) / 2 ** 32;
}

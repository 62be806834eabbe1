import type { MachineState } from "#core/fly/machine.ts";
import type { Clock } from "#core/ports/clock.ts";
import type { Changes } from "./changes.ts";
import { callerGone, machineNotFound } from "./errors.ts";
import type { Keeper } from "./keeper.ts";
import { isResting } from "./life.ts";
import type { MachineRecord } from "./record.ts";

/** The states one can wait for; `settled` is any state that stays. */
export const WAIT_STATES = [
  "started",
  "stopped",
  "suspended",
  "destroyed",
  "failed",
  "settled",
] as const;

export type WaitState = (typeof WAIT_STATES)[number];

export interface WaitAsked {
  readonly states: readonly WaitState[];
  readonly version: string | undefined;
  /** Only what happened after this event counts. */
  readonly fromEventId: string | undefined;
}

export type Verdict =
  | { readonly is: "reached"; readonly state: MachineState; readonly eventId: string }
  | { readonly is: "replaced" }
  | { readonly is: "gone" }
  | { readonly is: "waiting" };

/** Whether the Machine is where the caller waits for it. Pure. */
export function verdictFor(record: MachineRecord, asked: WaitAsked): Verdict {
  const { states, version, fromEventId } = asked;
  if (version !== undefined && version !== record.instanceId) return { is: "replaced" };
  const newest = record.events[0]?.id ?? "";
  if (isWanted(record.state, states) && (fromEventId === undefined || newest > fromEventId)) {
    return { is: "reached", state: record.state, eventId: newest };
  }
  const passed = fromEventId === undefined ? undefined : passedState(record, states, fromEventId);
  if (passed !== undefined) return passed;
  return record.state === "destroyed" ? { is: "gone" } : { is: "waiting" };
}

function isWanted(state: MachineState, states: readonly WaitState[]): boolean {
  return states.some((wanted) => (wanted === "settled" ? isResting(state) : wanted === state));
}

/** A state it was in for a moment since `fromEventId`: the events tell. */
function passedState(
  record: MachineRecord,
  states: readonly WaitState[],
  fromEventId: string,
): Verdict | undefined {
  for (const { id, status } of record.events.toReversed()) {
    const state = states.find((wanted) => wanted !== "settled" && wanted === status);
    if (id > fromEventId && state !== undefined && state !== "settled") {
      return { is: "reached", state, eventId: id };
    }
  }
  return undefined;
}

interface WaitDeps {
  readonly keeper: Pick<Keeper, "get">;
  readonly changes: Changes;
  readonly clock: Clock;
}

/** Resolves once the verdict is more than `waiting`, or after `timeoutMs` with the last one. */
export function waitFor(
  deps: WaitDeps,
  id: string,
  asked: WaitAsked & { readonly timeoutMs: number },
  signal: AbortSignal,
): Promise<Verdict> {
  const { promise, resolve, reject } = Promise.withResolvers<Verdict>();
  const record = deps.keeper.get(id);
  if (record === undefined) return Promise.reject(machineNotFound());
  const now = verdictFor(record, asked);
  if (now.is !== "waiting") return Promise.resolve(now);
  const over = new AbortController();
  // A program that ends at once has been `started` for a moment that no single change shows.
  const begunAt = record.events[0]?.id ?? "";
  const unlisten = deps.changes.listen(id, (changed) => {
    const verdict = verdictFor(changed, asked);
    if (verdict.is !== "waiting") return resolve(verdict);
    const passed = passedState(changed, asked.states, asked.fromEventId ?? begunAt);
    if (passed !== undefined) resolve(passed);
  });
  const onAbort = (): void => reject(callerGone());
  signal.addEventListener("abort", onAbort, { once: true });
  deps.clock.after(asked.timeoutMs, () => resolve({ is: "waiting" }), over.signal);
  return promise.finally(() => {
    over.abort();
    unlisten();
    signal.removeEventListener("abort", onAbort);
  });
}

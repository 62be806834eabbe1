import type { MachineState } from "#core/fly/machine.ts";

/** What can happen to a Machine as a whole. */
export type LifeEvent =
  | "start"
  | "park"
  | "ready"
  | "relaunch"
  | "fail"
  | "stop"
  | "restart"
  | "replace"
  | "ended"
  | "destroy"
  | "removed";

/**
 * The life of a Machine. `park` is the end of `skip_launch`, `ended` means that no container runs
 * any more, `relaunch` that a plain Machine's process is started again by its restart policy.
 * Source: Fly docs, "Machine states".
 */
const NEXT: Readonly<Record<MachineState, Partial<Record<LifeEvent, MachineState>>>> = {
  creating: { destroy: "destroying" },
  created: { start: "starting", park: "stopped", fail: "failed", destroy: "destroying" },
  starting: {
    ready: "started",
    fail: "failed",
    stop: "stopping",
    restart: "restarting",
    replace: "replacing",
    destroy: "destroying",
  },
  started: {
    relaunch: "starting",
    ended: "stopped",
    fail: "failed",
    stop: "stopping",
    restart: "restarting",
    replace: "replacing",
    destroy: "destroying",
  },
  stopping: { ended: "stopped", destroy: "destroying" },
  stopped: { start: "starting", restart: "starting", destroy: "destroying" },
  restarting: { ended: "starting", stop: "stopping", replace: "replacing", destroy: "destroying" },
  replacing: { ended: "starting", stop: "stopping", restart: "restarting", destroy: "destroying" },
  failed: { start: "starting", restart: "starting", destroy: "destroying" },
  suspending: { destroy: "destroying" },
  suspended: { start: "starting", destroy: "destroying" },
  updating: { destroy: "destroying" },
  replaced: {},
  launch_failed: { destroy: "destroying" },
  destroying: { removed: "destroyed" },
  destroyed: {},
  migrated: {},
};

/** Where `event` leads from `state`; an event with no arrow leaves it where it is. */
export function nextState(state: MachineState, event: LifeEvent): MachineState {
  return NEXT[state][event] ?? state;
}

/** Whether `event` means anything in `state`. */
export function isPossible(state: MachineState, event: LifeEvent): boolean {
  return NEXT[state][event] !== undefined;
}

const RESTING: ReadonlySet<MachineState> = new Set([
  "started",
  "stopped",
  "suspended",
  "failed",
  "destroyed",
]);

/** True for the states a Machine stays in until something is asked of it: `wait`'s `settled`. */
export function isResting(state: MachineState): boolean {
  return RESTING.has(state);
}

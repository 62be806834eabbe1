export const PROCESS_STATES = ["stopped", "starting", "running", "waiting", "stopping"] as const;
export const PROCESS_EVENTS = ["start", "ready", "exit", "elapsed", "stop"] as const;
export type ProcessState = (typeof PROCESS_STATES)[number];
export type ProcessEvent = (typeof PROCESS_EVENTS)[number];

/** `waiting` is for the back-off after an exit nobody asked for. */
const NEXT: Readonly<Record<ProcessState, Partial<Record<ProcessEvent, ProcessState>>>> = {
  stopped: { start: "starting" },
  starting: { ready: "running", exit: "waiting", stop: "stopping" },
  running: { exit: "waiting", stop: "stopping" },
  waiting: { elapsed: "starting", stop: "stopped" },
  stopping: { exit: "stopped" },
};

/** Where `event` leads from `state`; an event with no arrow leaves it where it is. */
export function nextState(state: ProcessState, event: ProcessEvent): ProcessState {
  return NEXT[state][event] ?? state;
}

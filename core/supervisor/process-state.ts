export const PROCESS_STATES = [
  "stopped",
  "starting",
  "running",
  "waiting",
  "restarting",
  "stopping",
] as const;
export const PROCESS_EVENTS = ["start", "ready", "exit", "elapsed", "restart", "stop"] as const;
export type ProcessState = (typeof PROCESS_STATES)[number];
export type ProcessEvent = (typeof PROCESS_EVENTS)[number];

/**
 * `waiting` is for the back-off after an exit nobody asked for, `restarting` for the end of a
 * process that makes room for the next one.
 */
const NEXT: Readonly<Record<ProcessState, Partial<Record<ProcessEvent, ProcessState>>>> = {
  stopped: { start: "starting" },
  starting: { ready: "running", exit: "waiting", restart: "restarting", stop: "stopping" },
  running: { exit: "waiting", restart: "restarting", stop: "stopping" },
  waiting: { elapsed: "starting", stop: "stopped" },
  restarting: { exit: "starting", stop: "stopping" },
  stopping: { exit: "stopped" },
};

/** Where `event` leads from `state`; an event with no arrow leaves it where it is. */
export function nextState(state: ProcessState, event: ProcessEvent): ProcessState {
  return NEXT[state][event] ?? state;
}

import type { Machine, MachineConfig, MachineId, MachineState } from "../fly/machine.ts";

/**
 * Machines as Fly's Machines API gives them. No method retries; each one passes the call budget.
 * All may throw FksError `Unauthorized`, `Forbidden`, `RateLimited` (with `retryAfterMs`) and
 * `Unavailable`; an ambiguous failure (the call may have been obeyed) is `Unavailable` too.
 */
export interface Machines {
  /**
   * Resolves with the Machine the platform accepted; it may still be `created`.
   * Throws `Conflict` when the name is taken in this App, `NotFound` when the App is not there,
   * `InvalidInput` for a config it refuses.
   */
  create(app: string, request: CreateMachine, signal: AbortSignal): Promise<Machine>;
  /** Every Machine of the App that carries all of `metadata`, destroyed ones left out. */
  list(
    app: string,
    metadata: Readonly<Record<string, string>>,
    signal: AbortSignal,
  ): Promise<readonly Machine[]>;
  /** Throws `NotFound`. */
  get(app: string, id: MachineId, signal: AbortSignal): Promise<Machine>;
  /** Replaces the whole config; the answer carries a new `instance_id`. */
  update(app: string, id: MachineId, request: UpdateMachine, signal: AbortSignal): Promise<Machine>;
  /** A Machine that is started already is a success. Throws `Conflict` while it is in transition. */
  start(app: string, id: MachineId, signal: AbortSignal): Promise<void>;
  /** Asks to stop and returns; `timeoutSeconds` later what still runs is killed. */
  stop(app: string, id: MachineId, request: StopMachine, signal: AbortSignal): Promise<void>;
  restart(app: string, id: MachineId, signal: AbortSignal): Promise<void>;
  /** Sends `signalName` ("SIGTERM") to the Machine's main processes. */
  signal(app: string, id: MachineId, signalName: string, signal: AbortSignal): Promise<void>;
  /**
   * Waits until the Machine is in one of `states`. Resolves with the state reached, or `undefined`
   * when `timeoutSeconds` passed first. Throws `NotFound`; gone counts as `destroyed` for those who
   * wait for it. Fly knows the states started, stopped, suspended, destroyed and failed here.
   */
  wait(
    app: string,
    id: MachineId,
    request: WaitMachine,
    signal: AbortSignal,
  ): Promise<MachineState | undefined>;
  /** Idempotent: a Machine that is already gone is a success. `force` kills what runs. */
  destroy(app: string, id: MachineId, force: boolean, signal: AbortSignal): Promise<void>;
  setMetadata(
    app: string,
    id: MachineId,
    key: string,
    value: string,
    signal: AbortSignal,
  ): Promise<void>;
  /** Buffered, no terminal. */
  exec(app: string, id: MachineId, request: ExecMachine, signal: AbortSignal): Promise<ExecResult>;
}

export interface CreateMachine {
  readonly name: string;
  readonly region: string;
  readonly config: MachineConfig;
  readonly skip_launch?: boolean;
}

export interface UpdateMachine {
  readonly config: MachineConfig;
  readonly skip_launch?: boolean;
  readonly current_version?: string;
}

export interface StopMachine {
  readonly signal?: string;
  readonly timeoutSeconds: number;
}

export interface WaitMachine {
  readonly states: readonly MachineState[];
  readonly timeoutSeconds: number;
  readonly instanceId?: string;
}

export interface ExecMachine {
  readonly command: readonly string[];
  readonly container?: string;
  readonly stdin?: string;
  readonly timeoutSeconds: number;
}

export interface ExecResult {
  readonly exit_code: number;
  readonly exit_signal: number;
  readonly stdout: string;
  readonly stderr: string;
}

import type {
  AddedContainer,
  Bundle,
  ExitStatus,
  HostTrouble,
  LogOptions,
  MachineChange,
  MachineEndRequest,
  MachineRef,
  MachineReport,
  MachineUsage,
  TerminalSize,
  VolumeFile,
} from "../fly/machine-protocol.ts";
import type { KeptLogs } from "./kept-logs.ts";

/**
 * The Machine protocol as its user sees it. `NotFound` when the Machine or container is not there,
 * `Conflict` when it is not in a state for the call, `Unavailable` when it cannot be asked.
 */
export interface MachineProtocol {
  report(machine: MachineRef, signal: AbortSignal): Promise<MachineReport>;
  /**
   * One more container for a Machine that runs; a name that is there already is a success.
   * `InvalidInput` when it can never run.
   */
  addContainer(
    machine: MachineRef,
    name: string,
    container: AddedContainer,
    signal: AbortSignal,
  ): Promise<void>;
  /** Hands over what the containers wait for. Idempotent; a second one replaces the first. */
  deliver(machine: MachineRef, bundle: Bundle, signal: AbortSignal): Promise<void>;
  /** Replaces the files of one volume atomically, in running containers too. */
  writeFiles(
    machine: MachineRef,
    volume: string,
    files: readonly VolumeFile[],
    signal: AbortSignal,
  ): Promise<void>;
  /**
   * Ends all containers for good, within the grace; the report's `ended` says why, also after the
   * server was started anew. A Machine that was ended so before is a success, whatever the words.
   */
  end(machine: MachineRef, request: MachineEndRequest, signal: AbortSignal): Promise<void>;
  /** The container's output as the options want it; ends by itself unless `follow`. */
  logs(
    machine: MachineRef,
    container: string,
    options: LogOptions,
    signal: AbortSignal,
  ): Promise<ReadableStream<Uint8Array>>;
  /** Runs a command; resolves when it ended. Aborting kills it. */
  exec(
    machine: MachineRef,
    container: string,
    request: ExecRequest,
    signal: AbortSignal,
  ): Promise<ExitStatus>;
  /**
   * The streams of the container's own first process, from now on; resolves when it ended.
   * Aborting leaves it running.
   */
  attach(
    machine: MachineRef,
    container: string,
    request: AttachRequest,
    signal: AbortSignal,
  ): Promise<ExitStatus>;
  /** A TCP connection to a port on the Machine's own loopback: 127.0.0.1, then ::1. */
  connect(machine: MachineRef, port: number, signal: AbortSignal): Promise<Connection>;
  readonly keptLogs: KeptLogs;
  /** Frees what no Machine needs, images above all; a server that has no way to is a success. */
  reclaim(signal: AbortSignal): Promise<void>;
  /** What the host had trouble with lately, oldest first; none where a server cannot tell. */
  troubles(signal: AbortSignal): Promise<readonly HostTrouble[]>;
  /** What every Machine that is started uses now. */
  usage(signal: AbortSignal): Promise<readonly MachineUsage[]>;
  /**
   * Every Machine of ours now, then `synced`, then each change; a `ping` at least every ten seconds.
   * Ends or throws when the connection is lost: start again, the first part tells all that was missed.
   */
  watch(signal: AbortSignal): AsyncIterable<MachineChange>;
}

export interface ExecRequest {
  readonly command: readonly string[];
  readonly tty: boolean;
  readonly stdin?: ReadableStream<Uint8Array>;
  readonly stdout?: WritableStream<Uint8Array>;
  /** Not used with a terminal. */
  readonly stderr?: WritableStream<Uint8Array>;
  readonly resize?: ReadableStream<TerminalSize>;
}

/** The streams alone; `resize` matters when the container has a terminal. */
export type AttachRequest = Omit<ExecRequest, "command" | "tty">;

/** Two directions; closing `writable` is a half-close, the other side may still speak. */
export interface Connection {
  readonly readable: ReadableStream<Uint8Array>;
  readonly writable: WritableStream<Uint8Array>;
}

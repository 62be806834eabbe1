import type { LogOptions } from "../fly/machine-protocol.ts";

/**
 * What containers of Machines that are gone have written, each until it is forgotten; the newest two
 * hundred Machines at most, and no more than 256 MiB of all of them.
 */
export interface KeptLogs {
  /** Ids of these Machines. */
  list(signal: AbortSignal): Promise<readonly string[]>;
  /** As `logs` while the Machine was there; ends by itself. `NotFound` when nothing was kept. */
  read(
    machineId: string,
    container: string,
    options: LogOptions,
    signal: AbortSignal,
  ): Promise<ReadableStream<Uint8Array>>;
  /** Idempotent. */
  forget(machineId: string, signal: AbortSignal): Promise<void>;
}

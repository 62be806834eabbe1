import type { Step } from "./plan.ts";
import type { MachineRecord } from "./record.ts";

/** One Machine in memory: its record, and what a new process would not know. */
export interface Slot {
  record: MachineRecord;
  readonly busy: Map<string, { readonly step: Step; readonly controller: AbortController }>;
  readonly retries: Map<string, { readonly atMs: number; readonly delayMs: number }>;
  /** Stop signals of the images, by container. */
  readonly imageSignals: Map<string, string>;
  /** This process saw the network made, with all lines its hosts file shall have. */
  isPrepared: boolean;
  isScheduled: boolean;
  timer: { readonly atMs: number; readonly controller: AbortController } | undefined;
}

export function slotFor(record: MachineRecord): Slot {
  return {
    record,
    busy: new Map(),
    retries: new Map(),
    imageSignals: new Map(),
    isPrepared: false,
    isScheduled: false,
    timer: undefined,
  };
}

import type { Clock } from "#core/ports/clock.ts";
import type { Log } from "#core/ports/log.ts";
import type { Addresses } from "./addresses.ts";
import type { Bundles } from "./bundles.ts";
import type { Images } from "./images/images.ts";
import type { Moment } from "./machine-events.ts";
import type { Actions } from "./probes/actions.ts";
import type { MachineRecord } from "./record.ts";
import type { Runtime } from "./runtime/runtime.ts";
import type { Slot } from "./slot.ts";
import type { MachineVolumes } from "./volumes/volume-directory.ts";

export type Change = (record: MachineRecord, moment: Moment) => MachineRecord;

/** What the steps work with. */
export interface Parts {
  readonly runtime: Runtime;
  readonly images: Images;
  readonly bundles: Bundles;
  readonly addresses: Addresses;
  readonly actions: Actions;
  readonly volumes: MachineVolumes;
  readonly clock: Clock;
  readonly log: Log;
}

/** One step under way: its Machine, and what ends it. */
export interface Work extends Parts {
  readonly slot: Slot;
  readonly atOnce: <T>(work: () => Promise<T>) => Promise<T>;
  readonly change: (how: Change) => void;
  readonly signal: AbortSignal;
}

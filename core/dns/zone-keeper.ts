import { FksError } from "../errors.ts";
import type { MachineId } from "../fly/machine.ts";
import { type Clock, sleep } from "../ports/clock.ts";
import type { Log } from "../ports/log.ts";
import type { MachineProtocol } from "../ports/machine-protocol.ts";
import type { Name } from "./name.ts";
import { type Zone, type ZoneMachine, zoneFor } from "./zone.ts";

export interface ZoneKeeper {
  /** The zone of this moment; also while the Machines cannot be asked, as they were last seen. */
  zone(): Zone;
  /** True once every Machine there was has been told of; it never turns false again. */
  isSynced(): boolean;
  machineCount(): number;
  /** Follows the Machines until `signal` aborts. */
  run(signal: AbortSignal): Promise<void>;
}

interface ZoneKeeperOptions {
  readonly protocol: Pick<MachineProtocol, "watch">;
  /** Names beside those of Machines, and their addresses. */
  readonly hosts: ReadonlyMap<Name, readonly string[]>;
  readonly clock: Clock;
  readonly log: Log;
}

const RETRY_FIRST_MS = 100;
const RETRY_MAX_MS = 5_000;

/** Keeps a zone in step with the Machines' change stream. */
export function zoneKeeper({ protocol, hosts, clock, log }: ZoneKeeperOptions): ZoneKeeper {
  let machines: ReadonlyMap<MachineId, ZoneMachine> = new Map();
  let isSynced = false;
  /** Made at the first question after a change: a burst of changes costs one. */
  let zone: Zone | undefined;

  /** One connection; a new one tells everything anew, so nothing of the old is kept. */
  async function follow(onSynced: () => void, signal: AbortSignal): Promise<void> {
    const seen = new Map<MachineId, ZoneMachine>();
    for await (const change of protocol.watch(signal)) {
      switch (change.type) {
        case "machine":
          seen.set(change.machine.id, { app: change.app, machine: change.machine });
          break;
        case "gone":
          seen.delete(change.id);
          break;
        case "synced":
          machines = seen;
          isSynced = true;
          onSynced();
          break;
        case "ping":
          continue;
      }
      if (machines === seen) zone = undefined;
    }
  }

  return {
    zone() {
      zone ??= zoneFor([...machines.values()], hosts);
      return zone;
    },
    isSynced: () => isSynced,
    machineCount: () => machines.size,
    async run(signal) {
      let delayMs = RETRY_FIRST_MS;
      while (!signal.aborted) {
        try {
          await follow(() => {
            delayMs = RETRY_FIRST_MS;
          }, signal);
        } catch (error) {
          if (signal.aborted) return;
          if (!(error instanceof FksError)) throw error;
          if (isSynced)
            log.warn("change stream lost, answering from what was seen last", { err: error });
          else log.debug("change stream not there yet", { err: error });
        }
        await sleep(clock, delayMs, signal).catch(() => {});
        delayMs = Math.min(delayMs * 2, RETRY_MAX_MS);
      }
    },
  };
}

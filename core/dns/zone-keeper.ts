import { followForever } from "../controller/follow.ts";
import type { FksError } from "../errors.ts";
import type { MachineId } from "../fly/machine.ts";
import type { Clock } from "../ports/clock.ts";
import type { Log } from "../ports/log.ts";
import type { MachineProtocol } from "../ports/machine-protocol.ts";
import type { MachineNames, ZoneMachine } from "./machine-names.ts";

export interface ZoneKeeper {
  /** True once every Machine there was has been told of; it never turns false again. */
  readonly isSynced: () => boolean;
  /** Follows the Machines until `signal` aborts. */
  run(signal: AbortSignal): Promise<void>;
}

interface ZoneKeeperOptions {
  readonly protocol: Pick<MachineProtocol, "watch">;
  readonly names: MachineNames;
  readonly clock: Clock;
  readonly log: Log;
}

/**
 * Keeps the names of Machines in step with their change stream; while it is lost they stay as they
 * were seen last.
 */
export function zoneKeeper({ protocol, names, clock, log }: ZoneKeeperOptions): ZoneKeeper {
  let isSynced = false;
  const known = new Set<MachineId>();

  /** One connection; a new one tells everything anew, and what it does not tell of is gone. */
  async function follow(onSynced: () => void, signal: AbortSignal): Promise<void> {
    let seen: Map<MachineId, ZoneMachine> | undefined = new Map();
    for await (const change of protocol.watch(signal)) {
      switch (change.type) {
        case "machine": {
          const { app, machine } = change;
          seen?.set(machine.id, { app, machine });
          if (seen === undefined) put({ app, machine });
          break;
        }
        case "gone":
          seen?.delete(change.id);
          if (seen === undefined) drop(change.id);
          break;
        case "synced":
          for (const id of known) if (seen?.has(id) === false) drop(id);
          for (const machine of seen?.values() ?? []) put(machine);
          seen = undefined;
          isSynced = true;
          onSynced();
          break;
        case "ping":
          break;
      }
    }
  }

  function put(machine: ZoneMachine): void {
    known.add(machine.machine.id);
    names.put(machine);
  }

  function drop(id: MachineId): void {
    known.delete(id);
    names.drop(id);
  }

  function onLost(err: FksError): void {
    if (isSynced) log.warn("change stream lost, answering from what was seen last", { err });
    else log.debug("change stream not there yet", { err });
  }

  return {
    isSynced: () => isSynced,
    run: (signal) => followForever({ follow, onLost, clock }, signal),
  };
}

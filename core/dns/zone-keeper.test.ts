import { expect, test } from "bun:test";
import { fakeClock } from "#test/fakes/clock.ts";
import { eventually } from "#test/fakes/eventually.ts";
import { memoryLog } from "#test/fakes/log.ts";
import { FksError } from "../errors.ts";
import type { Machine } from "../fly/machine.ts";
import type { MachineChange } from "../fly/machine-protocol.ts";
import { machineNames } from "./machine-names.ts";
import { zoneKeeper } from "./zone-keeper.ts";

function seen(id: string, last: number): MachineChange {
  const machine: Machine = {
    id,
    name: id,
    state: "started",
    region: "ams",
    instance_id: "x",
    private_ip: `fdaa::${last}`,
    created_at: "",
    updated_at: "",
    events: [],
    host_status: "ok",
  };
  return {
    type: "machine",
    app: "web",
    machine,
    report: { revision: 1, containers: [], events: [] },
  };
}

/** A change stream that a test feeds; `lose` ends it, and the next one begins empty. */
function stream() {
  let queue: (MachineChange | "lost")[] = [];
  let wake: (() => void) | undefined;
  let watches = 0;
  return {
    watches: () => watches,
    tell(...changes: (MachineChange | "lost")[]) {
      queue.push(...changes);
      wake?.();
    },
    protocol: {
      async *watch(signal: AbortSignal): AsyncGenerator<MachineChange> {
        watches += 1;
        signal.addEventListener("abort", () => wake?.());
        for (;;) {
          const [change, ...rest] = queue;
          queue = rest;
          if (change === "lost") throw new FksError("Unavailable", "lost");
          if (change !== undefined) yield change;
          else await new Promise<void>((resolve) => (wake = resolve));
          if (signal.aborted) return;
        }
      },
    },
  };
}

test("names follow the Machines, and stay while the stream is lost", async () => {
  const clock = fakeClock();
  const source = stream();
  const { protocol } = source;
  const names = machineNames();
  const keeper = zoneKeeper({ protocol, names, clock, log: memoryLog() });
  const stop = new AbortController();
  const running = keeper.run(stop.signal);
  const count = () => names.find("web.internal").records?.length ?? 0;

  source.tell(seen("a1", 1), seen("a2", 2));
  await eventually(() => source.watches() === 1);
  expect([keeper.isSynced(), count()]).toEqual([false, 0]);

  source.tell({ type: "synced" }, { type: "ping" });
  await eventually(() => count() === 2);
  source.tell({ type: "gone", app: "web", id: "a2" });
  await eventually(() => count() === 1);

  source.tell("lost", seen("a3", 3), seen("a4", 4), seen("a5", 5));
  await eventually(() => source.watches() === 2, { clock });
  expect([keeper.isSynced(), count()]).toEqual([true, 1]);
  source.tell({ type: "synced" });
  await eventually(() => count() === 3);

  stop.abort(new Error("over"));
  await running;
});

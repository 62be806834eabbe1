import { expect, test } from "bun:test";
import { fakeClock } from "#test/fakes/clock.ts";
import { eventually } from "#test/fakes/eventually.ts";
import { memoryLog } from "#test/fakes/log.ts";
import { FksError } from "../errors.ts";
import type { MachineChange } from "../fly/machine-protocol.ts";
import { machineSources } from "./machine-sources.ts";

function seen(id: string, address: string, region: string): MachineChange {
  const machine = {
    id,
    name: id,
    state: "started" as const,
    region,
    instance_id: "x",
    private_ip: address,
    created_at: "",
    updated_at: "",
    events: [],
    host_status: "ok" as const,
  };
  return {
    type: "machine",
    app: "web",
    machine,
    report: { revision: 1, containers: [], events: [] },
  };
}

test("Machines are known with their regions, and stay so while the stream is lost", async () => {
  const streams: readonly (readonly MachineChange[])[] = [
    [
      seen("1", "fdaa::1", "a"),
      seen("2", "fdaa::2", "b"),
      { type: "synced" },
      { type: "gone", app: "web", id: "2" },
    ],
    [seen("3", "fdaa::3", "a"), { type: "synced" }, { type: "ping" }, seen("3", "fdaa::3", "a")],
  ];
  const told: string[] = [];
  let at = 0;
  const stop = new AbortController();
  const clock = fakeClock();
  const sources = machineSources({
    protocol: {
      async *watch() {
        const changes = streams[at] ?? [];
        at += 1;
        yield* changes;
        throw new FksError("Unavailable", "lost");
      },
    },
    onChange: () =>
      void told.push(
        sources
          .all()
          .map(({ address, node }) => `${address}@${node}`)
          .join(" "),
      ),
    clock,
    log: memoryLog(),
  });

  const done = sources.run(stop.signal);
  await eventually(() => at > 3, { clock });
  stop.abort(new Error("over"));
  await done;

  expect(told).toEqual(["fdaa::1@a fdaa::2@b", "fdaa::1@a", "fdaa::3@a"]);
});

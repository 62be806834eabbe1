import { expect, test } from "bun:test";
import { normal, told } from "./container-events.ts";
import { POD, startedMachine } from "./testing/records.ts";

test("of a container's events the newest fifty are kept, and numbers go on growing", () => {
  let record = startedMachine(POD);
  for (let n = 1; n <= 70; n += 1) record = told(record, "app", normal("Pulled", String(n)), n);

  expect(record.containerEvents).toHaveLength(50);
  expect(record.containerEvents.at(-1)).toMatchObject({ seq: 70, message: "70" });
});

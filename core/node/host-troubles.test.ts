import { expect, test } from "bun:test";
import { fakeClock } from "#test/fakes/clock.ts";
import { memoryLog } from "#test/fakes/log.ts";
import { FksError } from "../errors.ts";
import type { HostTrouble } from "../fly/machine-protocol.ts";
import { tellHostTroubles } from "./host-troubles.ts";

const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

function trouble(reason: string, second: number): HostTrouble {
  return { reason, message: `about ${reason}`, at: new Date(second * 1_000).toISOString() };
}

test("every Node hears of each trouble once, also when the host could not be asked between", async () => {
  const clock = fakeClock();
  const stop = new AbortController();
  const told: string[] = [];
  let troubles = [trouble("FreeDiskSpaceFailed", 1)];
  let isDown = false;
  const running = tellHostTroubles(
    {
      protocol: {
        async troubles() {
          if (isDown) throw new FksError("Unavailable", "it is away");
          return troubles;
        },
      },
      nodes: ["ams", "lhr"],
      nodeEvents: {
        record: async (node, { id, type, reason, message }) =>
          void told.push(`${node} ${type} ${reason} ${id}: ${message}`),
      },
      clock,
      log: memoryLog(),
    },
    stop.signal,
  );
  const minute = async (): Promise<void> => {
    clock.advance(60_000);
    await settled();
  };
  await settled();
  isDown = true;
  await minute();
  isDown = false;
  troubles = [...troubles, trouble("ImageGCFailed", 2)];
  await minute();
  await minute();
  stop.abort();
  await running;

  expect(told).toEqual([
    "ams Warning FreeDiskSpaceFailed FreeDiskSpaceFailed-1000: about FreeDiskSpaceFailed",
    "lhr Warning FreeDiskSpaceFailed FreeDiskSpaceFailed-1000: about FreeDiskSpaceFailed",
    "ams Warning ImageGCFailed ImageGCFailed-2000: about ImageGCFailed",
    "lhr Warning ImageGCFailed ImageGCFailed-2000: about ImageGCFailed",
  ]);
});

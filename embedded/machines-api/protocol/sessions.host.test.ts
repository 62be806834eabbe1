import { afterAll, beforeAll, expect, test } from "bun:test";
import { readdirSync } from "node:fs";
import type { MachineRef } from "#core/fly/machine-protocol.ts";
import { embeddedWithContainers } from "#test/contract/embedded.ts";
import {
  type ContractWorld,
  clear,
  configOf,
  eventually,
  forever,
  launched,
  refOf,
  shell,
  sink,
} from "#test/contract/world.ts";

const SESSIONS = 1_000;
const AT_ONCE = 8;
/** Connections of the test's own client that are kept for the next call. */
const SLACK = 12;
/** Only a host that can do nothing else takes longer to begin one. */
const BEGUN_MS = 10_000;

let world: ContractWorld & { readonly protocol: NonNullable<ContractWorld["protocol"]> };
let ref: MachineRef;
let begunCount = 0;

beforeAll(async () => {
  const { protocol, ...rest } = await embeddedWithContainers();
  if (protocol === undefined) throw new Error("it does not speak the protocol");
  world = { ...rest, protocol };
  const script =
    "echo up; mkdir /w; httpd -p 127.0.0.1:8081 -h /w; while :; do sleep 0.1; echo tick; done";
  const config = configOf(world, { exec: shell(script) }, { metadata: { fks_awaits: "bundle" } });
  ref = refOf(world, await launched(world, config));
  const bundle = { containers: { main: { stdin: true } }, volumes: {} };
  await protocol.deliver(ref, bundle, forever);
  await eventually(async () => {
    const { containers } = await protocol.report(ref, forever);
    return containers[0]?.state.running;
  });
});

afterAll(async () => {
  await clear(world);
  await world.close();
});

/** Each begins and goes on until it is cut. */
const WAYS: readonly ((signal: AbortSignal, begun: () => void) => Promise<unknown>)[] = [
  (signal, begun) => exec(["cat"], signal, begun, new Blob(["x"]).stream()),
  (signal, begun) => exec(["yes"], signal, begun),
  (signal, begun) => exec(["sh", "-c", "echo up; exec sleep 4242"], signal, begun),
  (signal, begun) => {
    const stdout = telling(begun);
    return world.protocol.attach(ref, "main", { stdin: endless(), stdout }, signal);
  },
  async (signal, begun) => {
    const log = await world.protocol.logs(ref, "main", { follow: true }, signal);
    await log.pipeTo(telling(begun), { signal });
  },
  async (signal, begun) => {
    const { readable, writable } = await world.protocol.connect(ref, 8081, signal);
    await writable.getWriter().write(Buffer.from("GET / HTTP/1.0\r\n"));
    begun();
    await new Response(readable).text();
  },
];

test("a thousand sessions that are cut leave no descriptor and no process behind", async () => {
  await inTurns(60);
  const before = openDescriptors();
  await inTurns(SESSIONS);

  // The last ones are still on their way out.
  await eventually(async () => ((await strays()).length === 0 ? true : undefined));
  await Bun.sleep(100);
  expect(openDescriptors()).toBeLessThanOrEqual(before + SLACK);
  expect(begunCount).toBeGreaterThan(SESSIONS * 0.8);
}, 600_000);

async function inTurns(count: number): Promise<void> {
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < count) {
      const way = WAYS[next % WAYS.length];
      const cutsEarly = next % 7 === 0;
      next += 1;
      // oxlint-disable-next-line no-await-in-loop -- a worker does one after the other
      if (way !== undefined) await cut(way, cutsEarly);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
}

/** Lets it begin, mostly, and cuts it. */
async function cut(way: (typeof WAYS)[number], isEarly: boolean): Promise<void> {
  const stop = new AbortController();
  const begun = Promise.withResolvers<void>();
  const begin = (): void => {
    begunCount += 1;
    begun.resolve();
  };
  const over = way(stop.signal, begin).catch(() => undefined);
  if (!isEarly) await Promise.race([begun.promise, Bun.sleep(BEGUN_MS)]);
  stop.abort(new Error("cut"));
  await over;
}

function exec(
  command: readonly string[],
  signal: AbortSignal,
  begun: () => void,
  stdin = endless(),
): Promise<unknown> {
  const request = { command, tty: false, stdin, stdout: telling(begun) };
  return world.protocol.exec(ref, "main", request, signal);
}

/** Input that nobody ever types. */
function endless(): ReadableStream<Uint8Array> {
  return new ReadableStream<Uint8Array>();
}

function telling(begun: () => void): WritableStream<Uint8Array> {
  let hasBegun = false;
  return new WritableStream<Uint8Array>({
    write() {
      if (!hasBegun) begun();
      hasBegun = true;
    },
  });
}

/** Processes of sessions. */
async function strays(): Promise<readonly string[]> {
  const out = sink();
  const request = { command: ["ps"], tty: false, stdout: out.stream };
  await world.protocol.exec(ref, "main", request, forever);
  return out
    .text()
    .split("\n")
    .filter((line) => /cat|yes|4242/.test(line));
}

function openDescriptors(): number {
  return readdirSync("/proc/self/fd").length;
}

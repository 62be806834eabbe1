import type { MachineChange } from "#core/fly/machine-protocol.ts";
import type { Clock } from "#core/ports/clock.ts";
import type { Addresses } from "../addresses.ts";
import type { Bundles } from "../bundles.ts";
import type { Changes } from "../changes.ts";
import type { Keeper } from "../keeper.ts";
import type { MachineRecord } from "../record.ts";
import { machineView, reportOf } from "../views.ts";

const PING_MS = 10_000;
/** A chunk is closed once it is this long. */
const CHUNK_CHARS = 64 * 1024;

interface WatchDeps {
  readonly keeper: Keeper;
  readonly changes: Changes;
  readonly bundles: Bundles;
  readonly addresses: Addresses;
  readonly clock: Clock;
}

/**
 * The change stream of one reader. Only the ids of changed Machines are remembered, each once, and
 * lines are made when the reader takes them: a slow reader gets fewer and newer lines, never a queue.
 */
export function watchStream(deps: WatchDeps, signal: AbortSignal): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  const changed = new Map<string, string>();
  let unsynced: Map<string, string> | undefined = new Map(
    [...deps.keeper.all()].filter(isThere).map(({ id, app }) => [id, app]),
  );
  let awake = Promise.withResolvers<void>();
  const over = new AbortController();
  const unlisten = deps.changes.listen(undefined, ({ id, app }) => {
    if (unsynced?.has(id) === true) return;
    changed.set(id, app);
    awake.resolve();
  });

  function end(): void {
    unlisten();
    over.abort();
    signal.removeEventListener("abort", end);
    awake.resolve();
  }
  signal.addEventListener("abort", end, { once: true });

  function* lines(): Iterable<MachineChange> {
    if (unsynced !== undefined) {
      yield* drained(deps, unsynced);
      unsynced = undefined;
      yield { type: "synced" };
    }
    yield* drained(deps, changed);
  }

  async function quiet(): Promise<"ping" | "changed"> {
    const heard = new AbortController();
    const ping = Promise.withResolvers<"ping">();
    deps.clock.after(PING_MS, () => ping.resolve("ping"), heard.signal);
    const first = await Promise.race([awake.promise.then(() => "changed" as const), ping.promise]);
    heard.abort();
    return first;
  }

  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        let text = "";
        if (unsynced === undefined && changed.size === 0 && !over.signal.aborted) {
          awake = Promise.withResolvers();
          if ((await quiet()) === "ping") text = lineOf({ type: "ping" });
          // Changes of one moment are told together.
          await new Promise((resolve) => setImmediate(resolve));
        }
        if (over.signal.aborted) return controller.close();
        for (const line of lines()) {
          text += lineOf(line);
          if (text.length > CHUNK_CHARS) break;
        }
        controller.enqueue(encoder.encode(text));
      },
      cancel: end,
    },
    { highWaterMark: 1 },
  );
}

/** What the ids stand for now; each is forgotten as it is told. */
function* drained(deps: WatchDeps, ids: Map<string, string>): Iterable<MachineChange> {
  for (const [id, app] of ids) {
    ids.delete(id);
    const record = deps.keeper.get(id);
    if (record !== undefined) {
      const address = deps.addresses.of(record.serial).ipv6;
      const machine = machineView(record, address);
      yield { type: "machine", app, machine, report: reportOf(record, deps.bundles.has(id)) };
    }
    if (record === undefined || !isThere(record)) yield { type: "gone", app, id };
  }
}

function isThere({ state }: MachineRecord): boolean {
  return state !== "destroyed";
}

function lineOf(change: MachineChange): string {
  return `${JSON.stringify(change)}\n`;
}

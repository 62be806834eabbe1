import { type Clock, sleep } from "#core/ports/clock.ts";
import type { Log } from "#core/ports/log.ts";
import type { DatastoreReport } from "#core/status/report.ts";
import { alarmIn } from "./alarm-in.ts";
import { ALARM_KINDS, ALARMS } from "./alarms.ts";
import { logFollower } from "./log-follower.ts";
import { alarmsOf, type DatastoreSizes, sizesOf } from "./sizes.ts";
import { activeIn, type Tally, tallyAfter } from "./tally.ts";

const LOOK_EVERY_MS = 10_000;

interface DatastoreWatchOptions {
  /** Its file, SQLite. */
  readonly database: string;
  /** The log of the child that serves it. */
  readonly logPath: string;
  readonly clock: Clock;
  readonly log: Log;
}

/** Knows how a datastore is while its control plane runs. */
export interface DatastoreWatch {
  /** Looks every ten seconds until `signal` aborts. Never throws. */
  run(signal: AbortSignal): Promise<void>;
  report(): DatastoreReport;
}

/** Reads what the datastore's log says from now on, and how its files grow. */
export function datastoreWatch(options: DatastoreWatchOptions): DatastoreWatch {
  const { database, logPath, clock, log } = options;
  const follower = logFollower(logPath);
  let tally: Tally = {};
  let before: DatastoreSizes | undefined;

  async function look(): Promise<void> {
    const told = (await follower.newLines()).flatMap((line) => alarmIn(line) ?? []);
    const sizes = sizesOf(database);
    tally = tallyAfter(tally, { told, holding: alarmsOf(sizes, before) }, clock.now());
    before = sizes;
  }

  return {
    async run(signal) {
      for (;;) {
        await sleep(clock, LOOK_EVERY_MS, signal).catch(() => {});
        if (signal.aborted) return;
        await look().catch((err: unknown) => log.warn("cannot look at the datastore", { err }));
      }
    },
    report() {
      const { sizeBytes, walBytes } = sizesOf(database);
      return {
        sizeBytes,
        walBytes,
        alarms: activeIn(tally, clock.now()).map(({ kind, count, lastAtMs }) => ({
          kind,
          severity: ALARMS[kind].severity,
          count,
          lastAt: new Date(lastAtMs).toISOString(),
          sentence: ALARMS[kind].sentence,
        })),
        alarmCounts: Object.fromEntries(ALARM_KINDS.map((kind) => [kind, tally[kind]?.count ?? 0])),
      };
    },
  };
}

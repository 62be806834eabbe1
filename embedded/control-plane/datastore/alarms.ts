export const MIB = 1_024 ** 2;

/**
 * A write-ahead log that grows beyond this is told of. SQLite wants to begin it anew at 4 MiB; a
 * thousand Pods made and deleted in bursts took it to 21 MiB. Ten times that is no burst: readers
 * or the disk keep every checkpoint from its end, and then nothing bounds it.
 */
export const WAL_MIB_MAX = 256;
/** As much as it may then have taken. */
export const FREE_MIB_MIN = 256;

interface Alarm {
  /** A note may pass by itself; what is serious wants a person. */
  readonly severity: "note" | "serious";
  readonly sentence: string;
  readonly remedy: string;
}

const SLOW =
  "the disk is too slow or too busy for it: move the data directory to a local SSD, or run less on this host";

/** Everything that is told of a datastore, the same for either engine: kine on SQLite is in both. */
export const ALARMS = {
  "slow-sql": {
    severity: "note",
    sentence: "statements took 1 s or longer",
    remedy: SLOW,
  },
  "very-slow-sql": {
    severity: "serious",
    sentence: "statements took 5 s or longer",
    remedy: SLOW,
  },
  "compact-failed": {
    severity: "serious",
    sentence: "old revisions could not be removed, so the datastore only grows",
    remedy: `each step of it has 5 s; ${SLOW}`,
  },
  locked: {
    severity: "serious",
    sentence: "its file was locked by somebody else for longer than it waits",
    remedy: "end the process that has it open; control-plane.strangers names it while it has",
  },
  "disk-full": {
    severity: "serious",
    sentence: "there was no space left to write to",
    remedy: "make room: what died of it starts again by itself",
  },
  "wal-size": {
    severity: "serious",
    sentence: `its write-ahead log grew beyond ${WAL_MIB_MAX} MiB: checkpoints do not keep up`,
    remedy: "something reads from it without end or the disk is too slow; the next start cuts it",
  },
  "low-space": {
    severity: "serious",
    sentence: `less than ${FREE_MIB_MIN} MiB are free where it is`,
    remedy: "make room, or it stops when the disk is full",
  },
} as const satisfies Readonly<Record<string, Alarm>>;

export type AlarmKind = keyof typeof ALARMS;

/** For a fixed order in reports and metrics. */
export const ALARM_KINDS: readonly AlarmKind[] = [
  "slow-sql",
  "very-slow-sql",
  "compact-failed",
  "locked",
  "disk-full",
  "wal-size",
  "low-space",
];

import { expect, test } from "bun:test";
import { array, assert, constantFrom, integer, property, string } from "fast-check";
import { alarmIn, goDurationMs } from "./alarm-in.ts";

const SELECT =
  "SELECT COUNT(*) FROM kine AS kv WHERE kv.name LIKE '/registry/pods/%' AND kv.value = [1]byte(...)";
const RED = "\u001b[31mERRO\u001b[0m[2026-11-24T12:43:27.693971556Z]";

test.each([
  [
    "plain: a statement of 1 s",
    `time="2026-11-24T12:40:49Z" level=info msg="Slow SQL: ${SELECT}" duration=1.234569651s name=Count started="2026-11-24T12:40:48.585301491Z"`,
    "slow-sql",
  ],
  [
    "plain: a statement of 6 s",
    `time="2026-11-24T12:40:49Z" level=warning msg="Slow SQL: ${SELECT}" duration=6.000000338s name=Count started="2026-11-24T12:40:43.819920275Z"`,
    "very-slow-sql",
  ],
  [
    "plain: a statement of a minute, after retries",
    `time="2026-11-24T12:40:49Z" level=warning msg="Slow SQL: ${SELECT}" duration=1m1.000000112s name=Count retries=3 started="2026-11-24T12:39:48.819927595Z"`,
    "very-slow-sql",
  ],
  [
    "plain, kine before 0.16: a statement of 6 s",
    `time="2026-11-24T12:40:49Z" level=warning msg="Slow SQL (started: 2026-11-24 12:40:43.8 +0000 UTC) (total time: 6.000000338s): ${SELECT} : [[]]" duration=6.000000338s`,
    "very-slow-sql",
  ],
  [
    "coloured: a statement of 1 s",
    `\u001b[36mINFO\u001b[0m[2026-11-24T12:40:49.979355072Z] Slow SQL: ${SELECT}  \u001b[36mduration\u001b[0m=1.234571576s \u001b[36mname\u001b[0m=Count \u001b[36mstarted\u001b[0m="2026-11-24T12:40:48.744751929Z"`,
    "slow-sql",
  ],
  [
    "coloured: a statement of a minute",
    `\u001b[33mWARN\u001b[0m[2026-11-24T12:40:49.97942195Z] Slow SQL: ${SELECT}  \u001b[33mduration\u001b[0m=1m1.000000131s \u001b[33mname\u001b[0m=Count \u001b[33mretries\u001b[0m=3`,
    "very-slow-sql",
  ],
  [
    "plain: a compaction that took too long",
    'time="2026-11-24T12:40:49Z" level=error msg="Compact failed: failed to compact to revision 5230: context deadline exceeded"',
    "compact-failed",
  ],
  [
    "coloured: a compaction that was locked out",
    `${RED} Compact failed: failed to begin transaction: database is locked (5) (SQLITE_BUSY) `,
    "locked",
  ],
  [
    "plain: a write that was locked out",
    'time="2026-11-24T12:40:49Z" level=error msg="error in txn compare:<target:MOD key:\\"/registry/leases/a\\" mod_revision:0 >: database is locked"',
    "locked",
  ],
  [
    "coloured: a write that was locked out",
    `${RED} error in txn : database is locked (5) (SQLITE_BUSY) `,
    "locked",
  ],
  [
    "klog: the API server's word for it",
    'E1122 07:01:02.123456      12 status.go:71] "Unhandled Error" err="apiserver received an error that is not an metav1.Status: rpc error: code = Unknown desc = database is locked" logger="UnhandledError"',
    "locked",
  ],
  [
    "coloured: no space left, and the end of kine",
    "\u001b[31mFATA\u001b[0m[2026-11-24T12:43:34.394549362Z] Transaction commit failed: database or disk is full (13) ",
    "disk-full",
  ],
  [
    "plain: no space left for a compaction",
    'time="2026-11-24T12:40:49Z" level=error msg="Compact failed: failed to compact to revision 5230: database or disk is full"',
    "disk-full",
  ],
  [
    "a farewell in no dialect",
    "kine: building kine: setup db: database is locked (5) (SQLITE_BUSY)",
    "locked",
  ],
])("%s", (_, line, kind) => {
  expect<string | undefined>(alarmIn(line)).toBe(kind);
});

test.each([
  'time="2026-11-24T12:40:49Z" level=info msg="COMPACT deleted 1000 rows from 1000 revisions in 31ms - compacted to 1000/2520"',
  "\u001b[36mINFO\u001b[0m[2026-11-24T07:41:01.970184211Z] Running startup VACUUM to reclaim disk space, this may take a moment... ",
  'W1124 08:22:14.602860   22079 logging.go:55] [core] [Server #1] grpc: Server.processRPC failed to write status: connection error: desc = "transport is closing"',
  // Others' words, quoted: a key, and an object that says what our alarms look for.
  'time="2026-11-24T12:40:49Z" level=error msg="error in put key:\\"/registry/configmaps/a\\" value:\\"Compact failed: database is locked, no space left on device\\" : context deadline exceeded"',
  'I1122 07:01:02.123456      12 event.go:377] "Event occurred" message="Slow SQL: none, database is locked"',
  "",
])("no alarm: %s", (line) => {
  expect(alarmIn(line)).toBeUndefined();
});

test("whatever a line holds, looking at it never throws", () => {
  const pieces = constantFrom(
    'time="x" level=info msg="',
    "Slow SQL: ",
    " duration=",
    "\u001b[36mINFO\u001b[0m[x] ",
    "database is locked",
    '\\"',
    '"',
    "E1122 07:01:02.123456 12 a.go:1] ",
  );
  assert(
    property(array(pieces, { maxLength: 8 }), string(), (parts, tail) => {
      alarmIn(parts.join("") + tail);
    }),
  );
});

test.each([
  ["1.5s", 1_500],
  ["1m1.000000112s", 61_000.000112],
  ["1h0m2s", 3_602_000],
  ["300.25ms", 300.25],
  ["12.5µs", 0.0125],
  ["", 0],
  ["soon", 0],
  ["5", 0],
])("a duration of Go's: %s", (text, ms) => {
  expect(goDurationMs(text)).toBeCloseTo(ms, 6);
});

test("a statement is slow from 1 s on, and very slow from 5 s on", () => {
  assert(
    property(integer({ min: 1_000, max: 3_600_000 }), (ms) => {
      const seconds = `${Math.floor(ms / 1_000)}.${`${ms % 1_000}`.padStart(3, "0")}s`;
      const line = `level=info msg="Slow SQL: SELECT 1" duration=${seconds} name=Count`;
      expect(alarmIn(line)).toBe(ms < 5_000 ? "slow-sql" : "very-slow-sql");
    }),
  );
});

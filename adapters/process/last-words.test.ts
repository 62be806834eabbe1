import { expect, test } from "bun:test";
import { array, assert, constantFrom, oneof, property, string, stringMatching } from "fast-check";
import { lastWordsIn } from "./last-words.ts";

const INFO = 'time="2026-11-22T07:01:02Z" level=info msg="k3s is up and running"';
const KLOG_INFO = "I1122 07:01:02.123456   12 controller.go:615] quota admission added";
/** A word in the colours that logrus gives to levels and to names of fields. */
const coloured = (word: string): string => `\u001b[${word}\u001b[0m`;

test.each([
  [
    "the reason of K3s' shutdown, which ends with status 0",
    [
      INFO,
      'time="2026-11-22T07:01:03Z" level=error msg="Shutdown request received: \\"apiserver exited: listen tcp [::1]:6444: bind: address already in use\\""',
      KLOG_INFO,
      'time="2026-11-22T07:01:04Z" level=error msg="Sending HTTP/2.0 503 response: starting"',
    ],
    'Shutdown request received: "apiserver exited: listen tcp [::1]:6444: bind: address already in use"',
  ],
  [
    "a fatal line of logrus with its cause",
    [
      'time="2026-11-22T07:01:03Z" level=fatal msg="starting kubernetes" error="bootstrap data already found and encrypted with different token"',
      "exit",
    ],
    "starting kubernetes: bootstrap data already found and encrypted with different token",
  ],
  [
    "a fatal line in kine's colours",
    [
      `${coloured("31mERRO")}[0001] error in txn : database is locked (5) (SQLITE_BUSY) `,
      `${coloured("31mFATA")}[2026-11-24T12:43:34.394549362Z] Transaction commit failed: database or disk is full (13) `,
      `${coloured("36mINFO")}[0002] Database closed                               `,
    ],
    "Transaction commit failed: database or disk is full (13)",
  ],
  [
    "an error in colours with its cause, however its fields are written",
    [
      `${coloured("33mWARN")}[0001] Slow SQL: SELECT 1  ${coloured("33mduration")}=6s`,
      `${coloured("31mERRO")}[0001] cannot list error=none                ${coloured("31merror")}="no \\"space\\" left" ${coloured("31mname")}=Count`,
    ],
    'cannot list error=none: no "space" left',
  ],
  [
    "a flag K3s does not know, not the usage after it",
    [
      "Incorrect Usage: flag provided but not defined: -nonsense",
      "",
      "NAME:",
      "   k3s server - Run management server",
    ],
    "Incorrect Usage: flag provided but not defined: -nonsense",
  ],
  [
    "a failed command of Kubernetes' parts",
    [
      KLOG_INFO,
      'E1122 07:01:02.123456   12 run.go:72] "command failed" err="listen tcp :6443: bind: \\"in use\\""',
    ],
    'command failed: listen tcp :6443: bind: "in use"',
  ],
  [
    "a cause that klog writes on lines of its own",
    ['E1122 07:01:02.123456   12 run.go:72] "command failed" err=<', "\tno such file", " >"],
    "command failed: no such file",
  ],
  [
    "klog's fatal line, not the errors around it or the trace after it",
    [
      "E1122 07:01:02.123456   12 a.go:1] lost the lease",
      "F1122 07:01:02.123456   12 a.go:2] leaderelection lost",
      "goroutine 1 [running]:",
      "main.main()",
      "\t/src/main.go:12 +0x1d",
      "E1122 07:01:02.123456   12 a.go:1] on its way out",
    ],
    "leaderelection lost",
  ],
  [
    "a panic, not its trace",
    [
      INFO,
      "panic: runtime error: invalid memory address [recovered]",
      "\tpanic: runtime error: invalid memory address",
      "[signal SIGSEGV: segmentation violation code=0x1 addr=0x0 pc=0x4a]",
      "",
      "goroutine 7 [running]:",
      "main.work(...)",
      "\t/src/main.go:30",
      "exit status 2",
    ],
    "panic: runtime error: invalid memory address [recovered]",
  ],
  [
    "what was said before a trace whose head is lost",
    ["opens its database", "k8s.io/a.b(0x1)", "\t/src/b.go:3 +0x1d", "", "goroutine 9 [select]:"],
    "opens its database",
  ],
  [
    "an error of a role of ours, with its cause",
    [
      '{"level":50,"time":"2026-11-22T07:01:02Z","role":"kubelet","err":{"type":"FksError","message":"no route","stack":"…"},"msg":"a node failed"}',
      '{"level":30,"time":"2026-11-22T07:01:03Z","role":"kubelet","msg":"stops"}',
    ],
    "a node failed: no route",
  ],
  [
    "a role's farewell, not the advice after it",
    ['{"level":50,"msg":"a node failed"}', "fks-node: /data/x is gone", "This was not expected."],
    "fks-node: /data/x is gone",
  ],
  [
    "an error the runtime shows with its code",
    [
      "2 | throw new Error('no');",
      "          ^",
      "TypeError: no is not a function",
      "      at work (/a.ts:2:7)",
      "",
      "Bun v1",
    ],
    "TypeError: no is not a function",
  ],
  ["the last plain line where there is nothing better", ["listens", "gives up", ""], "gives up"],
  [
    "a message whose quotes were never closed",
    ['time="2026-11-22T07:01:03Z" level=fatal msg="cannot op'],
    "cannot op",
  ],
])("the last words are %s", (_, lines, words) => {
  expect(lastWordsIn(lines.join("\n"))).toBe(words);
});

test("who says only that all is well has no last words", () => {
  const colouredInfo = `${coloured("36mINFO")}[0000] Kine available at unix://kine.sock `;
  expect(
    lastWordsIn([INFO, KLOG_INFO, colouredInfo, '{"level":40,"msg":"x"}', ""].join("\n")),
  ).toBeUndefined();
  expect(lastWordsIn("")).toBeUndefined();
});

test("long words are cut, and control characters and colours are gone", () => {
  expect(lastWordsIn(`Error: \u001b[31mred\u001b[0m\u0007\ttea\u202e ${"x".repeat(500)}`)).toBe(
    `Error: red tea ${"x".repeat(284)}…`,
  );
});

test.each([
  "--token=s3cr3t-of-ours and more",
  "--agent-token s3cr3t-of-ours and more",
  "K3S_TOKEN=s3cr3t-of-ours",
  'token="s3cr3t-of-ours"',
  'token=\\"s3cr3t-of-ours\\"',
  `token K10${"0af3".repeat(16)}::server:s3cr3t-of-ours is wrong`,
  '"token":"s3cr3t-of-ours"',
  '{\\"password\\": \\"s3cr3t-of-ours\\"}',
  "postgres://kine:s3cr3t-of-ours@db/kine",
  "mysql://kine:s3cr3t-of-ours@x/y:z@tcp(db:3306)/kine",
  "Authorization: Bearer s3cr3t-of-ours",
  "Authorization: Basic s3cr3t-of-ours",
  "got eyJhbGciOi.eyJzdWIi.s3cr3t-of-ours",
])("a secret is never shown: %s", (line) => {
  const logrus = [
    `time=x level=fatal msg=${JSON.stringify(line)}`,
    `${coloured("31mFATA")}[0001] ${line}`,
  ];
  for (const text of [line, `Error: ${line}`, ...logrus]) {
    const words = lastWordsIn(text);
    expect(words).toContain("[redacted]");
    expect(words).not.toContain("s3cr3t");
    expect(words).not.toContain("ours");
  }
});

test("what only looks like a secret stays", () => {
  const line = "Error: open /data/tokens/k3s given by --token-file=/data/tokens/k3s: no such file";
  expect(lastWordsIn(line)).toBe(line);
  const url = "Error: https://[fdaa::3]:6443/readyz answers 503 to admin@host";
  expect(lastWordsIn(url)).toBe(url);
});

test("whatever a child writes, its last words are one short line without control characters", () => {
  const hostile = oneof(
    string({ unit: "binary", maxLength: 400 }),
    stringMatching(/^[\\"= a-z:{}[\]@/]{0,400}$/),
  );
  const head = constantFrom(
    'time="x" level=fatal msg="',
    "level=error error=",
    "F1122 07:01:02.123456   12 a.go:2] ",
    'E1122 07:01:02.123456   12 a.go:2] "',
    '{"level":60,"msg":"',
    '{"level":"error","error":{"message":',
    `${coloured("31mFATA")}[0001] `,
    coloured("31merror"),
    "panic: ",
    "goroutine 1 [running]:",
    "\t/",
    "a://b:",
    "",
  );
  assert(
    property(array(oneof(hostile, head), { maxLength: 20 }), (pieces) => {
      const words = lastWordsIn(pieces.join(""));
      if (words === undefined) return;
      expect(words).not.toBe("");
      expect(words.length).toBeLessThanOrEqual(300);
      expect(words).not.toMatch(/[\p{Cc}\p{Cs}\u2028\u2029]/u);
    }),
    { numRuns: 1_000 },
  );
});

const MOUNTAIN_HEADS = [
  "",
  'time="x" level=fatal msg="',
  `${coloured("31mFATA")}[0001] `,
  "panic: ",
  '{"level":50,"msg":"',
];

test.each([
  "a://",
  'a="',
  "\\",
  "--token ",
  "[",
  "K10a",
  '"token":',
  "(x",
  "a",
  "\t/\n",
  "\u001b[",
])("a mountain of %j takes no time worth speaking of", (piece) => {
  const start = performance.now();
  const mountain = piece.repeat(65_536 / piece.length);
  for (const head of MOUNTAIN_HEADS) lastWordsIn(head + mountain);
  expect(performance.now() - start).toBeLessThan(2_000);
});

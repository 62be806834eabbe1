import { expect, test } from "bun:test";
import { aPod } from "#test/fixtures/pod.ts";
import { fieldValueFor } from "./field-ref.ts";

const AT = { podIP: "fdaa::2", hostIP: "fdaa::10" };

test.each([
  ["plain", '"plain"'],
  ['quote " and \\', '"quote \\" and \\\\"'],
  ["line\nend\ttab\r", '"line\\nend\\ttab\\r"'],
  ["bell\u0007 vt\u000b bs\b ff\f", '"bell\\a vt\\v bs\\b ff\\f"'],
  ["nul\u0000 esc\u001b del\u007f", '"nul\\x00 esc\\x1b del\\x7f"'],
  ["next line\u0085", '"next line\\u0085"'],
  ["grüße 猫", '"grüße 猫"'],
])("an annotation %j is written as Go would quote it", (value, quoted) => {
  const pod = aPod({ metadata: { annotations: { a: value } } });
  expect(fieldValueFor(pod, "metadata.annotations", AT)).toBe(`a=${quoted}`);
});

test("labels are sorted, one a line, without a last line end", () => {
  const pod = aPod({ metadata: { labels: { b: "2", a: "1", constructor: "c" } } });
  expect(fieldValueFor(pod, "metadata.labels", AT)).toBe('a="1"\nb="2"\nconstructor="c"');
  expect(fieldValueFor(pod, "metadata.labels['toString']", AT)).toBe("");
  expect(fieldValueFor(pod, "toString", AT)).toBeUndefined();
});

import { expect, test } from "bun:test";
import { mergeMetrics } from "./metrics.ts";

test("two parts' metrics become one text, each family once and each sample with its part", () => {
  const cpu = "# HELP process_cpu CPU.\n# TYPE process_cpu counter\nprocess_cpu 1\n";
  const histogram =
    '# TYPE took histogram\ntook_bucket{le="+Inf"} 2\ntook_sum 0.5\ntook_count 2\n\ngarbage\n';

  expect(
    mergeMetrics([
      { part: "kubelet", text: cpu },
      { part: "dns", text: `${cpu}${histogram}` },
    ]),
  ).toBe(
    [
      "# HELP process_cpu CPU.",
      "# TYPE process_cpu counter",
      'process_cpu{part="kubelet"} 1',
      'process_cpu{part="dns"} 1',
      "# TYPE took histogram",
      'took_bucket{part="dns",le="+Inf"} 2',
      'took_sum{part="dns"} 0.5',
      'took_count{part="dns"} 2',
      "",
    ].join("\n"),
  );
});

test("a label with braces and quotes in it is left as it is", () => {
  const text = 'fields{path="a.{b}",why="\\"x\\""} 1 1700000000\n';

  expect(mergeMetrics([{ part: "api", text }])).toBe(
    'fields{part="api",path="a.{b}",why="\\"x\\""} 1 1700000000\n',
  );
});

test("nothing in, nothing out", () => {
  expect(mergeMetrics([{ part: "dns", text: "" }])).toBe("");
});

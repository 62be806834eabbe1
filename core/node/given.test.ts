import { expect, test } from "bun:test";
import { annotationMistake, labelMistake, taintFrom, taintText } from "./given.ts";

test.each([
  ["tier", ""],
  ["example.com/tier", "front"],
  ["node.kubernetes.io/pool", "a"],
  ["special.node.kubernetes.io/pool", "a"],
  ["topology.kubernetes.io/zone", "ams-1"],
])("a Node may carry the label %s=%s", (key, value) => {
  expect(labelMistake(key, value)).toBeUndefined();
});

test.each([
  ["", "a", '"" is no name of a label'],
  ["-a", "a", '"-a" is no name of a label'],
  ["a/b/c", "a", '"a/b/c" is no name of a label'],
  ["/a", "a", '"/a" is no name of a label'],
  [`${"a.".repeat(127)}a/b`, "a", "is no name of a label"],
  ["a".repeat(64), "a", "is no name of a label"],
  ["tier", "two words", '"two words" is no value of a label'],
  ["tier", "a".repeat(64), "is no value of a label"],
  [
    "node-role.kubernetes.io/worker",
    "",
    '"node-role.kubernetes.io/worker" is not for kubelets to set',
  ],
  ["node-restriction.kubernetes.io/a", "", "is not for kubelets to set"],
  ["apps.k8s.io/a", "", "is not for kubelets to set"],
])("the label %s=%s is refused in one sentence", (key, value, sentence) => {
  expect(labelMistake(key, value)).toContain(sentence);
});

test("an annotation has a name like a label's and any value", () => {
  expect(annotationMistake("example.com/Owner")).toBeUndefined();
  expect(annotationMistake("two words")).toBe('"two words" is no name of an annotation');
});

test("taints are written as kubectl and the kubelet write them", () => {
  expect(taintFrom("dedicated=gpu:NoSchedule")).toEqual({
    key: "dedicated",
    value: "gpu",
    effect: "NoSchedule",
  });
  expect(taintFrom("example.com/off:NoExecute")).toEqual({
    key: "example.com/off",
    effect: "NoExecute",
  });
  for (const text of ["dedicated=gpu:NoSchedule", "off:PreferNoSchedule"]) {
    const taint = taintFrom(text);
    expect(typeof taint === "string" ? taint : taintText(taint)).toBe(text);
  }
});

test.each([
  ["dedicated", '"dedicated" is no taint: expected key=value:Effect'],
  ["a=b:Never", "expected key=value:Effect with NoSchedule, PreferNoSchedule, NoExecute"],
  ["a=b=c:NoSchedule", '"a=b=c:NoSchedule" is no taint'],
  ["a=b:NoSchedule:x", "is no taint"],
  ["=b:NoSchedule", '"" is no name of a taint'],
  ["a=b c:NoSchedule", '"b c" is no value of a taint'],
])("%s is no taint, and the sentence says why", (text, sentence) => {
  expect(taintFrom(text)).toContain(sentence);
});

import { expect, test } from "bun:test";
import { checksumIn } from "./checksums.ts";

const A = "a".repeat(64);
const B = "b".repeat(64);

test.each([
  ["the line that ends in the name", `${A}  k3s-arm64\n${B}  k3s\n`],
  ["capital letters", `${B.toUpperCase()}  k3s`],
  ["lines as Windows ends them", `${A}  k3s-images.txt\r\n${B}  k3s\r\n`],
  ["the mark of a binary file", `${B} *k3s\n`],
  ["a tab", `${B}\tk3s\n`],
  ["the same line twice", `${B}  k3s\n${B}  k3s\n`],
])("the sha256 of a file is read from %s", (_, text) => {
  expect(checksumIn(text, "k3s", "sums")).toBe(B);
});

test.each([
  ["", "sums does not name k3s"],
  [`${A}  k3s-arm64`, "sums does not name k3s"],
  [`${A}  bin/k3s`, "sums does not name k3s"],
  [`${A.slice(1)}  k3s`, "sums does not name k3s"],
  ["\n <html>", "sums is a web page, not a list of checksums"],
  [`${A}  k3s\n${B}  k3s`, "sums has more than one sha256 for k3s"],
])("%j is told for what it is", (text, sentence) => {
  expect(() => checksumIn(text, "k3s", "sums")).toThrow(sentence);
});

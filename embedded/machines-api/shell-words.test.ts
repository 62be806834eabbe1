import { expect, test } from "bun:test";
import { shellWords } from "./shell-words.ts";

test("a command line is split as a shell splits it", () => {
  expect(shellWords("ls -l  /tmp")).toEqual(["ls", "-l", "/tmp"]);
  expect(shellWords(`sh -c 'echo "a b"; exit 3'`)).toEqual(["sh", "-c", 'echo "a b"; exit 3']);
  expect(shellWords(`a"b \\" c"d e\\ f ''`)).toEqual([`ab " cd`, "e f", ""]);
  expect(shellWords("  ")).toEqual([]);
});

test("a quote that is not closed is no command line", () => {
  expect(shellWords(`echo "a`)).toBeUndefined();
  expect(shellWords("echo it's")).toBeUndefined();
});

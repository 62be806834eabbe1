import { basename } from "node:path";
import type { Suite } from "./suites.ts";

/** What a person said after `test.ts`, as far as it is not the name of suites. */
interface Wishes {
  /** Only files with one of these in their path. */
  readonly files: readonly string[];
  /** For `bun test`. */
  readonly flags: readonly string[];
}

const WITH_VALUE = ["-t", "--test-name-pattern", "--timeout", "--seed", "--rerun-each", "--bail"];

/** Words that are no flag, nor the value of one, name files. Pure. */
export function wishesIn(words: readonly string[]): Wishes {
  const isFlag = (word: string, at: number): boolean =>
    word.startsWith("-") || WITH_VALUE.includes(words[at - 1] ?? "");
  return {
    files: words.filter((word, at) => !isFlag(word, at)),
    flags: words.filter(isFlag),
  };
}

/** The suite with only the files that are wished for. Pure. */
export function narrowed(suite: Suite, { files }: Wishes): Suite {
  if (files.length === 0) return suite;
  const isWished = (path: string): boolean => files.some((part) => path.includes(part));
  return { ...suite, files: suite.files.filter(isWished) };
}

/** A suite for each file of this one, each to be run by a process of its own. Pure. */
export function perFile(suite: Suite): readonly Suite[] {
  return suite.files.map((file) => ({
    ...suite,
    name: `${suite.name}-${basename(file).replace(/(\.host)?\.test\.ts$/, "")}`,
    files: [file],
  }));
}

import { expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { Glob } from "bun";

/** A path of this repository, as documents write it; `adapters/X` stands for any. */
const PATH = /`((?:bench|cmd|core|adapters|embedded|test|scripts|docs|examples)\/[\w./-]*[a-z/])`/g;

const DOCUMENTS = ["*.md", "docs/**/*.md", "embedded/**/*.md"]
  .flatMap((pattern) => [...new Glob(pattern).scanSync()])
  .toSorted();

test.each(DOCUMENTS)("%s names only files that are there", async (document) => {
  const text = await Bun.file(document).text();
  const named = [...text.matchAll(PATH)].map(([, path]) => path ?? "");

  expect(named.filter((path) => !existsSync(path))).toEqual([]);
});

/**
 * `totals.ts FILE…`: one line `N passed, N failed` over what suites left in these files as their last
 * line. A suite that left none has failed. Exit code 1 when any has.
 */
import { existsSync, readFileSync } from "node:fs";
import { lineOf, sumOf, totalsInLine } from "./junit.ts";

const texts = process.argv
  .slice(2)
  .map((path) => (existsSync(path) ? readFileSync(path, "utf8") : ""));
const sum = sumOf(texts.map(totalsInLine));
console.log(lineOf(sum));
process.exit(sum.failed > 0 ? 1 : 0);

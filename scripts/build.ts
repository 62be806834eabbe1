/**
 * `make build`: dist/fks-node, one executable. Built in the repository's root so that no path of the
 * building machine gets in; neither .env nor bunfig.toml of the caller's folder is read at run time.
 */
import { mkdirSync } from "node:fs";
import { captured } from "./captured.ts";
import { seconds } from "./step.ts";

/** Workers are entry points of their own; the first one is the program. */
const ENTRY_POINTS = [
  "./cmd/fks-node.ts",
  ...new Bun.Glob("./{adapters,embedded}/**/*-worker.ts").scanSync(),
];

const target = process.argv.find((word) => word.startsWith("--target="));
const outfile = "dist/fks-node";
const startedAt = performance.now();

mkdirSync("dist", { recursive: true });
const { stdout, stderr, exitCode } = await captured([
  process.execPath,
  "build",
  "--compile",
  "--minify",
  "--bytecode",
  "--format=esm",
  "--sourcemap",
  "--no-compile-autoload-dotenv",
  "--no-compile-autoload-bunfig",
  ...(target === undefined ? [] : [target]),
  ...ENTRY_POINTS,
  "--outfile",
  outfile,
]);
if (exitCode !== 0) {
  console.error(`${stdout}${stderr}`);
  process.exit(exitCode);
}
const megabytes = (Bun.file(outfile).size / 1e6).toFixed(0);
console.log(`${outfile}: ${megabytes} MB in ${seconds(startedAt)}`);

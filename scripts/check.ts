/** `make check`: every check at once, each with its time; what failed shows its output. */
import { captured } from "./captured.ts";
import { seconds } from "./step.ts";

const BUN = process.execPath;

/** Name, command. All of them only read. */
const CHECKS: readonly (readonly [string, readonly string[]])[] = [
  ["format", [BUN, "x", "biome", "ci", "--colors=off", "."]],
  ["lint", [BUN, "x", "oxlint", "--type-aware", "."]],
  ["types", [BUN, "x", "tsc", "-p", "."]],
  ["unused code", [BUN, "x", "knip", "--no-progress"]],
  ["architecture", [BUN, "test", "test/architecture.test.ts"]],
  ["generated files", [BUN, "scripts/golden.ts", "--check"]],
  ["lock file", [BUN, "scripts/scrub-lock.ts", "--check"]],
];

async function runCheck(name: string, command: readonly string[]): Promise<boolean> {
  const startedAt = performance.now();
  const { stdout, stderr, exitCode } = await captured(command);
  const ok = exitCode === 0;
  console.log(`${ok ? "ok    " : "FAILED"} ${name.padEnd(16)} ${seconds(startedAt)}`);
  if (!ok) console.log(`${stdout}${stderr}`.replace(/^/gm, "       "));
  return ok;
}

const results = await Promise.all(CHECKS.map(([name, command]) => runCheck(name, command)));
process.exit(results.every(Boolean) ? 0 : 1);

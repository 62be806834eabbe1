import { appendFileSync, mkdirSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";

/** One command with its output in a log file, a line when it starts and a line when it ends. */
export interface Step {
  readonly title: string;
  readonly command: readonly string[];
  readonly log: string;
  readonly env?: Readonly<Record<string, string>>;
}

/** Runs the step; a failure names the log file and shows its last lines, then ends the program. */
export async function runStep(step: Step): Promise<void> {
  mkdirSync(dirname(step.log), { recursive: true });
  writeFileSync(step.log, `$ ${step.command.join(" ")}\n`);
  process.stdout.write(`${step.title} …`);
  const startedAt = performance.now();
  const exitCode = await outputTo(step);
  process.stdout.write(` ${seconds(startedAt)}\n`);
  if (exitCode === 0) return;
  const tail = (await Bun.file(step.log).text()).trimEnd().split("\n").slice(-12).join("\n");
  console.error(
    `${tail}\n\n${step.title}: failed with exit code ${exitCode}; all of it: ${step.log}`,
  );
  process.exit(1);
}

/** The time since `startedAt`, for people. */
export function seconds(startedAt: number): string {
  return `${((performance.now() - startedAt) / 1_000).toFixed(1)} s`;
}

async function outputTo(step: Step): Promise<number> {
  const child = Bun.spawn([...step.command], {
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
    env: { ...process.env, ...step.env },
  });
  const append = async (stream: ReadableStream<Uint8Array>): Promise<void> => {
    for await (const chunk of stream) appendFileSync(step.log, chunk);
  };
  await Promise.all([append(child.stdout), append(child.stderr)]);
  return child.exited;
}

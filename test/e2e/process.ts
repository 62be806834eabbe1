/** Running programs in end-to-end tests, and waiting for the world without sleeping for luck. */
export interface Ran {
  readonly stdout: string;
  readonly stderr: string;
  readonly exitCode: number;
}

export interface RunOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly stdin?: string;
  readonly timeoutMs?: number;
}

/** Runs `command` to its end. A program that outlives its time is killed and exits 137. */
export async function run(command: readonly string[], options: RunOptions = {}): Promise<Ran> {
  const child = Bun.spawn([...command], {
    stdin: options.stdin === undefined ? "ignore" : new Blob([options.stdin]),
    stdout: "pipe",
    stderr: "pipe",
    env: { ...process.env, ...options.env },
    timeout: options.timeoutMs ?? 60_000,
    killSignal: "SIGKILL",
  });
  const [stdout, stderr, exitCode] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  return { stdout, stderr, exitCode };
}

/** As `run`, and throws with the program's own words when it fails. Gives its standard output. */
export async function succeed(
  command: readonly string[],
  options: RunOptions = {},
): Promise<string> {
  const { stdout, stderr, exitCode } = await run(command, options);
  if (exitCode !== 0) {
    throw new Error(`${command.join(" ")}: exit code ${exitCode}\n${stdout}${stderr}`);
  }
  return stdout;
}

const LOOK_EVERY_MS = { first: 100, last: 1_000 };

/**
 * Asks again until `look` gives a value that is not `undefined`, and throws after `timeoutMs` with the
 * last failure and what `explain` tells of the world then.
 */
export async function eventually<T>(
  what: string,
  look: () => Promise<T | undefined>,
  options: { readonly timeoutMs?: number; readonly explain?: () => Promise<string> } = {},
): Promise<T> {
  const timeoutMs = options.timeoutMs ?? 30_000;
  const startedAt = performance.now();
  let last: unknown;
  for (let ranMs = 0; ranMs < timeoutMs; ranMs = performance.now() - startedAt) {
    try {
      const seen = await look();
      if (seen !== undefined) return seen;
    } catch (error) {
      last = error;
    }
    // To look costs a program's start each time: what takes long is looked at less often.
    await Bun.sleep(Math.min(Math.max(ranMs / 10, LOOK_EVERY_MS.first), LOOK_EVERY_MS.last));
  }
  const explanation = (await options.explain?.()) ?? "";
  const cause = last instanceof Error ? `\n${last.message}` : "";
  throw new Error(`${what}: not within ${timeoutMs} ms${cause}\n${explanation}`);
}

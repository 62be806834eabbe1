/**
 * Sets a host up: `setup.ts system kube redis`. Each part looks first and does nothing when all is there.
 */
import { ensureDebianPrograms } from "./conformance/debian.ts";
import { REDIS } from "./redis.ts";
import { runStep, seconds } from "./step.ts";
import { installCommandFor, missingPrograms, packageManagerOf } from "./system-packages.ts";

const SBIN = "/usr/local/sbin:/usr/sbin:/sbin";
const has = (program: string): boolean =>
  Bun.which(program, { PATH: `${process.env["PATH"] ?? ""}:${SBIN}` }) !== null;

async function system(): Promise<void> {
  const missing = missingPrograms(has);
  if (missing.length === 0) return;
  const names = missing.map(({ program, why }) => `${program} (${why})`).join(", ");
  const manager = packageManagerOf(has);
  if (manager === undefined) fail(`fks-node needs ${names}; install them and try again.`);
  const command = installCommandFor(missing, manager);
  if (process.getuid?.() !== 0) {
    fail(`fks-node needs ${names}. Install them with:\n  sudo ${command.join(" ")}`);
  }
  const env = { DEBIAN_FRONTEND: "noninteractive" };
  if (manager === "apt-get") {
    const log = ".cache/apt-update.log";
    await runStep({ title: "Reading package lists", command: [manager, "update"], log, env });
  }
  await runStep({
    title: `Installing ${command
      .slice(1)
      .filter((word) => !word.startsWith("-") && word !== "install")
      .join(" ")}`,
    command,
    log: ".cache/install.log",
    env,
  });
  const still = missingPrograms(has).map(({ program }) => program);
  if (still.length > 0)
    fail(`${manager} did not bring ${still.join(", ")}; see .cache/install.log`);
}

async function kube(): Promise<void> {
  const { ensureKube } = await import("#embedded/control-plane/upstream/build.ts");
  const startedAt = performance.now();
  let shown = false;
  let shownAt = Number.NEGATIVE_INFINITY;
  const path = await ensureKube(
    {
      onProgress: (line) => {
        shown = true;
        // A log wants a word now and then, a terminal every one.
        if (!process.stdout.isTTY && performance.now() - shownAt < 10_000) return;
        shownAt = performance.now();
        process.stdout.write(process.stdout.isTTY ? `\r\x1b[K${line}` : `${line}\n`);
      },
    },
    AbortSignal.timeout(60 * 60_000),
  );
  if (shown) console.log(`\n${path} is ready after ${seconds(startedAt)}`);
}

/** For the application that the end-to-end tests run; nothing is installed. */
async function redis(): Promise<void> {
  await ensureDebianPrograms(REDIS.folder, REDIS.packages);
}

function fail(message: string): never {
  console.error(message);
  process.exit(1);
}

const PARTS: Readonly<Record<string, () => Promise<void>>> = { system, kube, redis };

for (const part of process.argv.slice(2)) {
  const run = PARTS[part];
  if (run === undefined) fail(`setup.ts knows ${Object.keys(PARTS).join(" and ")}, not "${part}".`);
  await run();
}

/**
 * `make pin-k3s`: writes down which release of K3s is fetched and the sha256 of its executables, as
 * the release publishes them. From then on these count, whatever a release host says.
 */
import { parseArgs } from "node:util";
import { hostClock } from "#adapters/host/clock.ts";
import { loadConfig } from "#cmd/config.ts";
import { EXIT_STATUSES } from "#cmd/exit.ts";
import { FksError, messageOf } from "#core/errors.ts";
import { publishedChecksums } from "#embedded/control-plane/k3s/checksums.ts";
import {
  isSupported,
  type Pin,
  parsePin,
  releaseFor,
  SUPPORTED,
  urlOf,
} from "#embedded/control-plane/k3s/release.ts";
import { PATIENCE } from "#embedded/control-plane/k3s/web.ts";
import { parseVersion } from "#embedded/control-plane/version.ts";

const PIN_FILE = "embedded/control-plane/k3s/pin.json";

const HELP = `Usage: make pin-k3s [ARGS="--version v1.36.5+k3s1"]

Fetches the checksum files of a K3s release for amd64 and arm64 and records its version and the
sha256 of both executables in ${PIN_FILE}.

  --version <tag>  the release (default: the one that is pinned)
  --file <path>    another pin file
  --help           this text

FKS_K3S_RELEASES names the releases' base URL; proxies of the environment are heeded.`;

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      version: { type: "string" },
      file: { type: "string", default: PIN_FILE },
      help: { type: "boolean" },
    },
  });
  if (values.help === true) return console.log(HELP);

  const before = parsePin(await Bun.file(values.file).json());
  const after = await publishedPin(values.version ?? before.version);
  const changes = changesBetween(before, after);
  if (changes.length === 0) return console.log(`${values.file} is right as it is`);
  await Bun.write(values.file, `${JSON.stringify(after, null, 2)}\n`);
  console.log(`${changes.join("\n")}\n${values.file} is written`);
}

/** The release as it is published. Throws FksError when one of the digests cannot be had. */
async function publishedPin(version: string): Promise<Pin> {
  if (!isSupported(parseVersion(version)) || !version.includes("+k3s")) {
    throw new FksError(
      "InvalidInput",
      `--version: expected a K3s release of Kubernetes ${SUPPORTED}, such as v1.36.4+k3s1, not "${version}"`,
    );
  }
  const { FKS_K3S_RELEASES } = process.env;
  const { k3sReleases } = await loadConfig({ flags: {}, env: { FKS_K3S_RELEASES } });
  const web = { env: process.env, clock: hostClock(), patience: PATIENCE };
  const unpinned: Pin = { version, sha256: {} };
  const [amd64, arm64] = await Promise.all(
    ["x64", "arm64"].map(async (processor) => {
      const { checksums, binary } = releaseFor(unpinned, processor);
      const url = urlOf(k3sReleases, version, checksums);
      const never = new AbortController().signal;
      return (await publishedChecksums(web, { url, file: binary }, never)).sha256;
    }),
  );
  return parsePin({ version, sha256: { amd64, arm64 } });
}

/** A line for each value that is another one now. */
function changesBetween(before: Pin, after: Pin): string[] {
  return [
    ["version", before.version, after.version] as const,
    ["amd64", before.sha256.amd64, after.sha256.amd64] as const,
    ["arm64", before.sha256.arm64, after.sha256.arm64] as const,
  ].flatMap(([what, from = "not recorded", to = ""]) =>
    from === to ? [] : [`${what.padEnd(8)} ${from} -> ${to}`],
  );
}

try {
  await main();
} catch (error) {
  console.error(`pin-k3s: ${messageOf(error)}`);
  process.exit(error instanceof FksError ? EXIT_STATUSES[error.code].status : 1);
}

import { X509Certificate } from "node:crypto";
import { existsSync, readdirSync, readFileSync, statfsSync, statSync } from "node:fs";
import { join } from "node:path";
import { processIdentity } from "#adapters/host/process-identity.ts";
import type { Clock } from "#core/ports/clock.ts";
import type { StatusReport } from "#core/status/report.ts";
import { k3sFilesIn } from "#embedded/control-plane/k3s/files.ts";
import { clusterOrDamaged } from "../cluster.ts";
import type { DataPaths } from "../paths.ts";
import { type Check, failed, ok, skipped } from "./check.ts";

const FREE_BYTES_MIN = 1_024 ** 3;
const DAY_MS = 86_400_000;
/** Certificates are renewed long before: one that is this near its end was forgotten. */
const CERTIFICATE_DAYS_MIN = 2;

/** The data directory: who may read it, whether there is room, what runs out. */
export function fileChecks(
  paths: DataPaths,
  clock: Clock,
  status: Promise<StatusReport | undefined>,
): readonly Check[] {
  const { dataDir } = paths;
  const isThere = existsSync(dataDir);
  const withData = (check: Check): Check =>
    isThere ? check : { ...check, look: async () => skipped(`${dataDir} is not there yet`) };
  return [
    {
      id: "files.data-dir",
      expected: "a folder that nobody else may write to",
      remedy: `chmod go-w ${dataDir}`,
      async look() {
        const mode = statSync(dataDir).mode & 0o777;
        const isSafe = (mode & 0o022) === 0;
        return isSafe ? ok(`${dataDir}, mode ${octal(mode)}`) : failed(`mode ${octal(mode)}`);
      },
    },
    {
      id: "files.keys",
      expected: "keys, tokens and kubeconfigs are for their owner alone",
      remedy: "chmod 0600 on each of them",
      async look() {
        const secrets = secretFiles(paths);
        const open = secrets.filter((path) => (statSync(path).mode & 0o077) !== 0);
        return open.length === 0
          ? ok(`${secrets.length} files`)
          : failed(`others may read ${open.join(", ")}`, `chmod 0600 ${open.join(" ")}`);
      },
    },
    {
      id: "files.cluster",
      expected: "a cluster.json that can be read",
      remedy: "fks-node restore FILE --yes, or fks-node reset --yes",
      async look() {
        const cluster = await clusterOrDamaged(paths);
        if (cluster === undefined) return skipped("there is no cluster yet");
        return cluster === "damaged"
          ? failed(`${paths.clusterFile} is damaged or from another version of fks-node`)
          : ok(`cluster ${cluster.name}, network ${cluster.networkId}`);
      },
    },
    {
      id: "files.space",
      expected: "1 GiB free or more",
      remedy: `make room, or choose another place with --data-dir`,
      async look() {
        const { bavail, bsize } = statfsSync(dataDir);
        const free = bavail * bsize;
        const text = `${(free / 1_024 ** 3).toFixed(1)} GiB free`;
        return free >= FREE_BYTES_MIN ? ok(text) : failed(text);
      },
    },
    lockCheck(paths, status),
    {
      id: "files.certificates",
      expected: `every certificate is good for ${CERTIFICATE_DAYS_MIN} days or more`,
      remedy: "restart serve, which renews them; look into its log when this remains",
      look: async () => certificates(paths, clock.now()),
    },
  ].map(withData);
}

function lockCheck(paths: DataPaths, status: Promise<StatusReport | undefined>): Check {
  return {
    id: "files.lock",
    expected: "whoever holds the data directory answers",
    remedy: "look at that process; kill it when it hangs, then run fks-node serve again",
    async look() {
      if ((await status) !== undefined) return ok("serve holds it and answers");
      const holder = lockHolder(join(paths.dataDir, "lock"));
      return holder === undefined
        ? ok("nobody holds it")
        : failed(`process ${holder} holds it and does not answer`);
    },
  };
}

/** The process written into the lock file, if it still lives. */
function lockHolder(path: string): number | undefined {
  const text = existsSync(path) ? readFileSync(path, "utf8") : "";
  const pid = Number(/"pid":(\d+)/.exec(text)?.[1]);
  const startedAt = /"startedAt":"([^"]+)"/.exec(text)?.[1];
  const now = Number.isNaN(pid) ? undefined : processIdentity(pid);
  return now?.startedAt === startedAt ? now?.pid : undefined;
}

function certificates({ k3s, pki, identities }: DataPaths, nowMs: number) {
  const { tls } = k3sFilesIn(k3s);
  const files = [pki, identities, tls].flatMap((folder) => filesBelow(folder, /\.(crt|pem)$/));
  if (files.length === 0) return skipped("there are none yet");
  const ends = files.map((path) => ({ path, days: daysLeft(path, nowMs) }));
  const old = ends.filter(({ days }) => days < CERTIFICATE_DAYS_MIN);
  const first = Math.floor(Math.min(...ends.map(({ days }) => days)));
  return old.length === 0
    ? ok(`${files.length} certificates, the first one ends in ${first} days`)
    : failed(old.map(({ path, days }) => `${path} ends in ${days.toFixed(1)} days`).join(", "));
}

function daysLeft(path: string, nowMs: number): number {
  // Certificate and key may be in one file.
  const pem = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/.exec(
    readFileSync(path, "utf8"),
  );
  const { validTo } = new X509Certificate(pem?.[0] ?? "");
  return (Date.parse(validTo) - nowMs) / DAY_MS;
}

function secretFiles({ dataDir, k3s }: DataPaths): readonly string[] {
  const { kubeconfig, token } = k3sFilesIn(k3s);
  return [
    ...filesBelow(join(dataDir, "pki"), /\.(key|kubeconfig)$/),
    ...filesBelow(join(dataDir, "identities"), /\.pem$/),
    ...filesBelow(join(dataDir, "tokens"), /./),
    // Of K3s' own files those two that are known to be for their owner alone.
    ...[join(dataDir, "kubeconfig"), kubeconfig, token].filter((path) => existsSync(path)),
  ];
}

function filesBelow(folder: string, wanted: RegExp): readonly string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && wanted.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name));
}

function octal(mode: number): string {
  return mode.toString(8).padStart(4, "0");
}

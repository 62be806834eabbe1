import { statSync } from "node:fs";
import { FksError } from "#core/errors.ts";
import type { Clock } from "#core/ports/clock.ts";
import { type ControlPlane, type ControlPlanePlan, serverUrl, type Upkeep } from "../engine.ts";
import { controlPlaneEnvironment } from "../environment.ts";
import { textIfThere } from "../text-file.ts";
import { parseVersion } from "../version.ts";
import { leavesIn, restartReasonFor } from "./certificates.ts";
import { K3S, k3sChild } from "./children.ts";
import { ensureControllerRole } from "./controller-role.ts";
import { type K3sFiles, k3sFilesIn } from "./files.ts";
import { prepareK3sFolder, requireNoOtherK3s } from "./folder.ts";
import { ensureK3sToken } from "./token.ts";
import { pruneUnpacked } from "./unpacked.ts";

interface K3sOptions {
  readonly plan: ControlPlanePlan;
  /** K3s' executable, and what it says it is: `v1.36.4+k3s1`. */
  readonly program: string;
  readonly version: string;
  /** K3s' data directory. */
  readonly folder: string;
  readonly tokenFile: string;
  /** Of this process; K3s gets next to nothing of it. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Children that make the plan's address before anything can listen on it. */
  readonly addressBy: readonly string[];
  /** How long getting ready may take with a small database. */
  readonly startTimeoutMs: number;
  readonly isRoot: boolean;
  readonly clock: Clock;
}

/**
 * K3s as a control plane, its folder prepared. Call with no K3s running in that folder.
 *
 * Throws `Conflict` beside another K3s of this host, `Unauthorized` without the token that the
 * datastore was written with, `Unsupported` for what is no version of Kubernetes.
 */
export async function k3sControlPlane(options: K3sOptions): Promise<ControlPlane> {
  const { plan, program, version, tokenFile, isRoot, clock } = options;
  const files = k3sFilesIn(options.folder);
  if (isRoot) await requireNoOtherK3s();
  await ensureK3sToken(tokenFile, files);
  await prepareK3sFolder(files);
  const child = k3sChild({
    ...options,
    files,
    minor: minorOf(version, program),
    env: controlPlaneEnvironment(options.env, files.home),
    databaseBytes: () => sizeOf(files.database) + sizeOf(`${files.database}-wal`),
  });
  return {
    engine: "k3s",
    version,
    program,
    server: serverUrl(plan),
    children: [child],
    apiChild: K3S,
    databaseChild: K3S,
    database: files.database,
    admin: { ca: files.serverCa, ...files.admin },
    upkeep: k3sUpkeep(files, clock),
  };
}

/** Upkeep of a K3s that is about to be started. */
export function k3sUpkeep(files: K3sFiles, clock: Clock): () => Promise<Upkeep> {
  let startedAtMs = clock.now();
  let admin: string | undefined;

  /** K3s renews its certificates when it starts; we learn of it afterwards. */
  async function isRenewed(): Promise<boolean> {
    const now = await textIfThere(files.admin.cert);
    const renewed = admin !== undefined && now !== undefined && now !== admin;
    admin = now ?? admin;
    return renewed;
  }

  return async () => {
    await ensureControllerRole(files);
    await pruneUnpacked(files);
    const renewed = await isRenewed();
    const nowMs = clock.now();
    const times = { sinceMs: startedAtMs, nowMs };
    const reason = restartReasonFor(await leavesIn(files), times);
    if (reason === undefined) return { renewed };
    startedAtMs = nowMs;
    return { renewed, restart: { child: K3S, reason } };
  };
}

function minorOf(version: string, program: string): number {
  const minor = parseVersion(version)?.minor;
  if (minor !== undefined) return minor;
  throw new FksError("Unsupported", `${program} says it is ${version}, which is no version`);
}

function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}

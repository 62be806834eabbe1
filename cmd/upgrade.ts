import { existsSync } from "node:fs";
import { mkdir, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { readTextIfThere, writeFile } from "#adapters/host/files.ts";
import { FksError, messageOf } from "#core/errors.ts";
import type { Clock } from "#core/ports/clock.ts";
import type { ChildDeath, ChildSpec } from "#core/supervisor/child.ts";
import type { FileChanges } from "#embedded/control-plane/backup/replace.ts";
import { versionStepFor } from "#embedded/control-plane/version.ts";
import { backUp } from "./backup-data.ts";
import { backupPathsIn, timeInName } from "./backup-files.ts";
import { bytesText } from "./bytes-text.ts";
import { readCluster, rememberVersion } from "./cluster.ts";
import type { Console } from "./console.ts";
import { knownControlPlane } from "./control-plane-record.ts";
import type { Engine } from "./engine.ts";
import type { DataPaths } from "./paths.ts";
import { dropStaged, forgetOldReplaced, putInPlace, stageBackup } from "./restore-data.ts";

const TRIES = 3;
const BACKUPS_KEPT = 3;
const BACKUP_NAME = /^v\S+-to-v\S+-(\d{8}T\d{6}Z)\.tar$/;

/** A new version of Kubernetes that has not been ready with this data yet. */
export interface Upgrade {
  /**
   * The control plane's children with an end to their tries: the one that serves the API and those
   * before it have failed when they died three times and were never ready. Not to get ready in
   * time is a death, too.
   */
  withTrial(trial: OnTrial): readonly ChildSpec[];
  /** The new version was ready: it is written down, and there is no way back. */
  done(): Promise<void>;
  /**
   * What to throw after `failure` ended the run and every child is gone. Unless the upgrade was
   * done by then, the data is what it was before it, and the sentence says how to go on.
   */
  undo(failure: unknown): Promise<unknown>;
}

interface OnTrial {
  readonly children: readonly ChildSpec[];
  readonly apiChild: string;
  /** For those that have no limit of their own. */
  readonly readyTimeoutMs: () => number;
}

interface UpgradeOptions {
  readonly paths: DataPaths;
  readonly engine: Pick<Engine, "name" | "program" | "version">;
  readonly console: Pick<Console, "step">;
  readonly clock: Pick<Clock, "now">;
  /** For tests that let files be cut off. */
  readonly changes?: FileChanges;
}

const trialSchema = z.object({
  from: z.string(),
  to: z.string(),
  /** Name of the backup beside this file. */
  backup: z.string(),
  /** The executable of the version before, where it is known. */
  program: z.string().optional(),
});

/** Says, as long as it is there, that `to` has perhaps written and was never ready. */
type Trial = Readonly<z.infer<typeof trialSchema>>;

/**
 * What has to happen before this engine may start with the data: a backup when its version is
 * another than the data's, and the backup put back when the upgrade to a third version was killed
 * before it was done. Undefined when there is nothing to try.
 *
 * Throws what `versionStepFor` and `backUp` throw. Call under the data directory's lock, when
 * nothing of the control plane runs.
 */
export async function beginUpgrade(
  options: UpgradeOptions,
  signal: AbortSignal,
): Promise<Upgrade | undefined> {
  const { paths, engine, console } = options;
  const left = await trialIn(paths);
  const known = await readCluster(paths);
  if (left !== undefined && left.to === known.kubernetesVersion) {
    // Killed between the two steps of `done`.
    await forgetTrial(paths);
  } else if (left?.to === engine.version) {
    console.step(
      `trying Kubernetes ${left.to} again; the data of ${left.from} is in ${fileOf(left, paths)}`,
    );
    return upgradeOf(left, options);
  } else if (left !== undefined) {
    await putBack(left, options, signal);
    console.step(`Kubernetes ${left.to} was never ready: the data of ${left.from} is back`);
  }

  const { kubernetesVersion: from } = await readCluster(paths);
  const step = versionStepFor(from, engine.version);
  if (from === undefined || step === "first" || step === "same") return undefined;
  return upgradeOf(await begin(from, options, signal), options);
}

async function begin(from: string, options: UpgradeOptions, signal: AbortSignal): Promise<Trial> {
  const { paths, engine, console, clock } = options;
  const nowMs = clock.now();
  const before = await knownControlPlane(paths);
  const trial: Trial = {
    from,
    to: engine.version,
    backup: `${from}-to-${engine.version}-${timeInName(nowMs)}.tar`,
    ...(before?.version === from && { program: before.program }),
  };
  const { folder, trial: marker } = backupPathsIn(paths);
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const file = fileOf(trial, paths);
  const cluster = await readCluster(paths);
  const { bytes } = await backUp({ paths, cluster, file, withKeys: true, nowMs }, signal);
  await writeFile(marker, `${JSON.stringify(trial)}\n`);
  // An upgrade that fails again and again leaves a backup each time.
  await forgetOldBackups(paths);
  console.step(
    `Kubernetes ${from} becomes ${trial.to}; the data before is in ${file} (${bytesText(bytes)})`,
  );
  return trial;
}

function upgradeOf(trial: Trial, options: UpgradeOptions): Upgrade {
  const { paths, engine, console } = options;
  const { from, to } = trial;
  let isDone = false;

  return {
    withTrial({ children, apiChild, readyTimeoutMs }) {
      const last = children.findIndex(({ name }) => name === apiChild);
      return children.map((child, at) =>
        at > last ? child : { readyTimeoutMs, ...child, giveUp: withEnd(child, () => isDone) },
      );
    },

    async done() {
      await rememberVersion(paths, to);
      isDone = true;
      await forgetTrial(paths);
      console.step(`Kubernetes ${to} has taken over from ${from}`);
    },

    async undo(failure) {
      if (isDone) return failure;
      const code = failure instanceof FksError ? failure.code : "Unavailable";
      const failed = `upgrade to ${to} failed: ${messageOf(failure)}`;
      try {
        // Nobody may cut this short: half an undo is worse than a slow one.
        await putBack(trial, options, new AbortController().signal);
      } catch (cause) {
        const file = fileOf(trial, paths);
        return new FksError(
          code,
          `${failed}; and the data of ${from} could not be put back: ${messageOf(cause)}. The next start of another version tries it again, or run fks-node restore ${file} --yes`,
          { cause: failure },
        );
      }
      const sentence = `${failed}; the data of ${from} is back: ${remedyFor(trial, engine)}`;
      return new FksError(code, sentence, { cause: failure });
    },
  };
}

function withEnd(child: ChildSpec, isDone: () => boolean): NonNullable<ChildSpec["giveUp"]> {
  return (death: ChildDeath) => {
    const given = child.giveUp?.(death);
    if (given !== undefined || death.hasBeenReady || isDone()) return given;
    if (death.deaths < TRIES) return undefined;
    return new FksError("Unavailable", `${child.name} in ${TRIES} tries: ${death.reason}`);
  };
}

/** How to start the version before. */
function remedyFor({ from, program }: Trial, engine: UpgradeOptions["engine"]): string {
  if (engine.name === "upstream") return `start it with the fks-node that brought ${from}`;
  if (program === undefined || program === engine.program || !existsSync(program)) {
    return `start it with --k3s-bin FILE, the k3s of ${from}`;
  }
  return `start it with --k3s-bin ${program}`;
}

/** The data as the trial's backup has it; what the new version wrote is gone, and the trial over. */
async function putBack(
  trial: Trial,
  { paths, clock, changes }: UpgradeOptions,
  signal: AbortSignal,
): Promise<void> {
  const staged = await stageBackup({ file: fileOf(trial, paths), paths }, signal);
  try {
    const nowMs = clock.now();
    const replaced = await putInPlace(staged, { paths, nowMs, ...(changes && { changes }) });
    await rm(replaced, { recursive: true, force: true });
    // Of undoings that were killed right here.
    await forgetOldReplaced(paths);
  } finally {
    await dropStaged(staged);
  }
}

async function trialIn(paths: DataPaths): Promise<Trial | undefined> {
  const { trial } = backupPathsIn(paths);
  const text = await readTextIfThere(trial);
  if (text === undefined) return undefined;
  try {
    return trialSchema.parse(JSON.parse(text));
  } catch (cause) {
    const sentence = `${trial} is damaged: restore the newest backup beside it with fks-node restore`;
    throw new FksError("InvalidInput", sentence, { cause });
  }
}

async function forgetTrial(paths: DataPaths): Promise<void> {
  await rm(backupPathsIn(paths).trial, { force: true });
}

async function forgetOldBackups(paths: DataPaths): Promise<void> {
  const { folder } = backupPathsIn(paths);
  const names = (await readdir(folder)).filter((name) => timeOf(name) !== "");
  const byTime = names.toSorted((a, b) => timeOf(a).localeCompare(timeOf(b)));
  for (const name of byTime.slice(0, -BACKUPS_KEPT)) await rm(join(folder, name), { force: true });
}

function timeOf(name: string): string {
  return BACKUP_NAME.exec(name)?.[1] ?? "";
}

function fileOf({ backup }: Trial, paths: DataPaths): string {
  return join(backupPathsIn(paths).folder, backup);
}

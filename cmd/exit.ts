import { CommanderError } from "commander";
import { fileError } from "#adapters/host/files.ts";
import { StoppedError } from "#adapters/host/signals.ts";
import { type ErrorCode, FksError, messageOf } from "#core/errors.ts";
import type { Environment } from "./config.ts";

interface ExitMeaning {
  readonly status: number;
  readonly meaning: string;
}

/** Exit status of each kind of failure; 0 is success, 1 an unexpected failure or a check that failed. */
export const EXIT_STATUSES: Readonly<Record<ErrorCode, ExitMeaning>> = {
  InvalidInput: { status: 2, meaning: "wrong option, argument, configuration or file" },
  NotFound: { status: 3, meaning: "something named does not exist" },
  Conflict: { status: 4, meaning: "in use or taken: data directory, port, name" },
  Unauthorized: { status: 5, meaning: "token or certificate is missing or wrong" },
  Forbidden: { status: 6, meaning: "no permission; often: root is needed" },
  RateLimited: { status: 7, meaning: "asked too often, try again later" },
  Unavailable: { status: 8, meaning: "not reachable, no space left, or not in time" },
  Unsupported: { status: 9, meaning: "this host or version lacks what is needed" },
};

/** The table of exit statuses for `--help`. */
export function exitStatusTable(): string {
  const rows = Object.values(EXIT_STATUSES).map(({ status, meaning }) => `  ${status}  ${meaning}`);
  return [
    "Exit status:",
    "  0  success",
    "  1  unexpected failure, or a check that failed",
    ...rows,
    "  128 + n  stopped by signal n before it was done",
  ].join("\n");
}

interface Farewell {
  readonly status: number;
  /** For standard error; empty when everything was said already. */
  readonly text: string;
}

/** What to say and return to the shell for a failure: one sentence, a stack trace only with `FKS_DEBUG`. */
export function farewellFor(thrown: unknown, env: Environment): Farewell {
  // commander has printed its own sentence or the help by then.
  if (thrown instanceof CommanderError) {
    return { status: thrown.exitCode === 0 ? 0 : EXIT_STATUSES.InvalidInput.status, text: "" };
  }
  if (thrown instanceof StoppedError) {
    return { status: thrown.exitStatus, text: `fks-node: ${thrown.message} before it was done\n` };
  }
  // A full disk or a missing permission can show anywhere.
  const error = thrown instanceof FksError ? thrown : fileError(pathIn(thrown), thrown);
  const status = error instanceof FksError ? EXIT_STATUSES[error.code].status : 1;
  const hint =
    error instanceof FksError
      ? ""
      : "\nThis was not expected. FKS_DEBUG=1 shows where it happened; please report it.";
  const text = isDebug(env) ? stackOf(error) : `${messageOf(error)}${hint}`;
  return { status, text: `fks-node: ${text}\n` };
}

function pathIn(error: unknown): string {
  const path = error instanceof Error && "path" in error ? error.path : undefined;
  return typeof path === "string" ? path : "a file";
}

function isDebug(env: Environment): boolean {
  return !["", "0", undefined].includes(env["FKS_DEBUG"]);
}

function stackOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const cause = error.cause === undefined ? "" : `\ncaused by ${stackOf(error.cause)}`;
  return `${error.stack ?? error.message}${cause}`;
}

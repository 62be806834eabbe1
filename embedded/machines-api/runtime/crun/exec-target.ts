import type { Clock } from "#core/ports/clock.ts";
import type { ExecRequest } from "#core/ports/machine-protocol.ts";
import type { OciConfig, OciProcess } from "./oci-config.ts";

export interface ExecTarget {
  /** The runtime and its arguments, up to and with `exec`. */
  readonly argv: readonly string[];
  readonly ociId: string;
  readonly config: string;
  readonly processFile: string;
  /** The runtime writes the host's pid of the command here. */
  readonly pidFile: string;
  readonly clock: Clock;
}

/**
 * What the runtime is called with. The process is told by a file: it is the container's own with
 * another command, and neither that nor the environment shows in the host's process list.
 */
export function execArgvFor({ argv, pidFile, processFile, ociId }: ExecTarget): string[] {
  return [...argv, "--process", processFile, "--pid-file", pidFile, ociId];
}

/** The container's process with the command of `request` in its place. Pure. */
export function execProcessFor({ process }: OciConfig, { command, tty }: ExecRequest): OciProcess {
  return { ...process, args: command, terminal: tty };
}

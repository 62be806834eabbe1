import { FksError } from "../errors.ts";
import type { ExitStatus } from "../fly/machine-protocol.ts";

/** The part of `metav1.Status` that goes onto the error stream of exec and attach. */
export interface StreamStatus {
  readonly metadata: Readonly<Record<string, never>>;
  readonly status: "Success" | "Failure";
  readonly reason?: string;
  readonly message?: string;
  readonly code?: number;
  readonly details?: {
    readonly causes: readonly { readonly reason: string; readonly message: string }[];
  };
}

/** kubectl exits with the number in the cause `ExitCode`. */
export function execStatusFor(exit: ExitStatus): StreamStatus {
  if (exit.exitCode === 0) return { metadata: {}, status: "Success" };
  return {
    metadata: {},
    status: "Failure",
    reason: "NonZeroExitCode",
    message: `command terminated with non-zero exit code: exit status ${exit.exitCode}`,
    details: { causes: [{ reason: "ExitCode", message: String(exit.exitCode) }] },
  };
}

/** What the caller reads when the command could not be run at all. */
export function failedStatusFor(error: unknown): StreamStatus {
  const why = error instanceof FksError ? error.message : "the node failed; its log says why";
  const message = `Internal error occurred: ${why}`;
  return { metadata: {}, status: "Failure", reason: "InternalError", message, code: 500 };
}

/** However the container ended: who attached to it reads its exit code in the Pod's status. */
export const ATTACH_ENDED: StreamStatus = { metadata: {}, status: "Success" };

/** The plain text that protocols before version 4 want instead of a Status; empty for success. */
export function plainTextFor(status: StreamStatus): string {
  return status.status === "Success" ? "" : (status.message ?? "");
}

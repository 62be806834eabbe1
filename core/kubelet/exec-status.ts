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
  return failure("InternalError", 500, `Internal error occurred: ${why}`);
}

/** Attaching to a container's main process: not offered by the Machine protocol. */
export function attachStatus(): StreamStatus {
  return failure(
    "NotImplemented",
    501,
    "attach is not supported by this node: use kubectl logs -f for output, kubectl exec for a shell",
  );
}

/** The plain text that protocols before version 4 want instead of a Status; empty for success. */
export function plainTextFor(status: StreamStatus): string {
  return status.status === "Success" ? "" : (status.message ?? "");
}

function failure(reason: string, code: number, message: string): StreamStatus {
  return { metadata: {}, status: "Failure", reason, message, code };
}

import type { StreamStatus } from "#core/kubelet/exec-status.ts";

/** The streams of one exec or attach, whatever frames they travel in. */
export interface RemoteStreams {
  readonly stdin?: ReadableStream<Uint8Array>;
  readonly stdout?: WritableStream<Uint8Array>;
  readonly stderr?: WritableStream<Uint8Array>;
  /** JSON objects one after another. */
  readonly resize?: ReadableStream<Uint8Array>;
  /** Aborts when the client is gone. */
  readonly signal: AbortSignal;
  /** Ends the output, then tells how it went, then closes; resolves when the client is gone. */
  finish(status: StreamStatus): Promise<void>;
}

/** What a session costs the node is bounded by these. */
export interface SessionScope {
  /** Aborts when the node stops or the session was idle for too long. */
  readonly signal: AbortSignal;
  /** Something was sent or received. */
  readonly active: () => void;
}

/** Closes an output that the command may have closed itself, or that is cut already. */
export async function closed(output: WritableStream<Uint8Array> | undefined): Promise<void> {
  if (output === undefined || output.locked) return;
  await output.close().catch(() => undefined);
}

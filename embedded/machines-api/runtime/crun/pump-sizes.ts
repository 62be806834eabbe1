/** Applies each size that a client tells, until either ends; `signal` is the process' end. */
export async function pumpSizes<Size>(
  sizes: ReadableStream<Size>,
  apply: (size: Size) => Promise<void> | void,
  signal: AbortSignal,
): Promise<void> {
  const reader = sizes.getReader();
  const stop = (): void => void reader.cancel().catch(() => {});
  signal.addEventListener("abort", stop, { once: true });
  if (signal.aborted) stop();
  try {
    for (let next = await reader.read(); !next.done; next = await reader.read()) {
      await apply(next.value);
    }
  } catch {
    // The client is gone.
  } finally {
    signal.removeEventListener("abort", stop);
    reader.releaseLock();
  }
}

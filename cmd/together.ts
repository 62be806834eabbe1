/**
 * Runs parts side by side until `signal` aborts. The first one that fails stops the others; what it
 * threw is thrown once all have ended.
 */
export async function together(
  parts: readonly ((signal: AbortSignal) => Promise<void>)[],
  signal: AbortSignal,
): Promise<void> {
  const failed = new AbortController();
  const both = AbortSignal.any([signal, failed.signal]);
  const results = await Promise.allSettled(
    parts.map(async (part) => {
      try {
        await part(both);
      } catch (error) {
        failed.abort(error);
        throw error;
      }
    }),
  );
  if (signal.aborted) return;
  const first = results.find((result) => result.status === "rejected");
  if (first !== undefined) throw failed.signal.reason;
}

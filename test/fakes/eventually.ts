/** Lets the event loop turn until `isTrue`, at most `withinMs` of real time. */
export async function eventually(isTrue: () => boolean, withinMs = 2_000): Promise<void> {
  const until = performance.now() + withinMs;
  while (!isTrue()) {
    if (performance.now() > until) throw new Error("it never came true");
    await new Promise<void>((resolve) => setImmediate(resolve));
  }
}

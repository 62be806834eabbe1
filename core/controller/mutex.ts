/** Runs `work` after whatever was begun before it under the same key, one at a time. */
export type Mutex = <T>(key: string, work: () => Promise<T>) => Promise<T>;

export function mutex(): Mutex {
  const last = new Map<string, Promise<unknown>>();
  return async (key, work) => {
    const before = last.get(key) ?? Promise.resolve();
    const mine = before.then(work, work);
    const settled = mine.catch(() => {});
    last.set(key, settled);
    try {
      return await mine;
    } finally {
      if (last.get(key) === settled) last.delete(key);
    }
  };
}

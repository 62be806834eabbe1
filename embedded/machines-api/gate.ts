/** Runs at most `width` pieces of work at a time; the others wait in line. */
export function gate(width: number): <T>(work: () => Promise<T>) => Promise<T> {
  let free = width;
  const line: (() => void)[] = [];
  return async (work) => {
    if (free === 0) await new Promise<void>((resolve) => line.push(resolve));
    else free -= 1;
    try {
      return await work();
    } finally {
      const next = line.shift();
      if (next === undefined) free += 1;
      else next();
    }
  };
}

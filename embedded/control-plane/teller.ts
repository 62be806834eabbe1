/** Two sentences a second are as many as a person reads. */
const QUIET_MS = 500;

/** Tells people how far something long is: each sentence with the time it has taken so far. */
export interface Teller {
  say(sentence: string): void;
  /** Said only when nothing was for half a second. */
  sayNowAndThen(sentence: () => string): void;
  /** Counts the lines that are one, and now and then says how many. */
  counted(isOne: (line: string) => boolean, what: string, total?: number): (line: string) => void;
}

export function teller(onProgress: (line: string) => void): Teller {
  const startedAt = performance.now();
  let saidAt = Number.NEGATIVE_INFINITY;

  const say = (sentence: string): void => {
    saidAt = performance.now();
    onProgress(`${sentence} (${Math.round((saidAt - startedAt) / 1000)} s)`);
  };
  const sayNowAndThen = (sentence: () => string): void => {
    if (performance.now() - saidAt >= QUIET_MS) say(sentence());
  };
  return {
    say,
    sayNowAndThen,
    counted(isOne, what, total) {
      let count = 0;
      return (line) => {
        if (!isOne(line)) return;
        count++;
        sayNowAndThen(
          () => `${what}: ${count}${total === undefined ? "" : ` of at most ${total}`}`,
        );
      };
    },
  };
}

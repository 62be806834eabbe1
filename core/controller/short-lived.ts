import type { Clock } from "../ports/clock.ts";

/** Answers that are good for a little while. */
export interface ShortLived<T> {
  /** The answer for `key`: a fresh enough one, one that is being asked for, or a new one. */
  get(key: string, signal: AbortSignal): Promise<T>;
  forget(key: string): void;
}

/** Beyond it the oldest answers are forgotten. */
const ANSWERS_MAX = 10_000;

/** Asks `read` once for all who want to know within `freshMs`; a failure is never kept. */
export function shortLived<T>(
  clock: Clock,
  freshMs: number,
  read: (key: string, signal: AbortSignal) => Promise<T>,
): ShortLived<T> {
  const answers = new Map<string, { readonly untilMs: number; readonly answer: Promise<T> }>();

  return {
    async get(key, signal) {
      const known = answers.get(key);
      if (known !== undefined && known.untilMs > clock.now()) return known.answer;

      const answer = read(key, signal);
      const entry = { untilMs: clock.now() + freshMs, answer };
      answers.delete(key);
      answers.set(key, entry);
      const [oldest] = answers.keys();
      if (answers.size > ANSWERS_MAX && oldest !== undefined) answers.delete(oldest);
      try {
        return await answer;
      } catch (error) {
        if (answers.get(key) === entry) answers.delete(key);
        throw error;
      }
    },
    forget: (key) => void answers.delete(key),
  };
}

import type { Clock } from "../ports/clock.ts";

/** Answers that are good for a little while. */
export interface ShortLived<T> {
  /**
   * The answer for `key`: a fresh enough one, one that is being asked for, or what `read` tells.
   * One `read` serves all who want to know meanwhile; a failure is never kept.
   */
  get(key: string, read: () => Promise<T>): Promise<T>;
  forget(key: string): void;
}

/** Beyond it the oldest answers are forgotten. */
const ANSWERS_MAX = 10_000;

interface Entry<T> {
  untilMs: number;
  readonly answer: Promise<T>;
}

/** `freshMsOf` tells for how long an answer is good, from when it was asked for. */
export function shortLived<T>(clock: Clock, freshMsOf: (answer: T) => number): ShortLived<T> {
  const answers = new Map<string, Entry<T>>();

  return {
    async get(key, read) {
      const nowMs = clock.now();
      const known = answers.get(key);
      if (known !== undefined && known.untilMs > nowMs) return known.answer;

      const entry = { untilMs: Number.POSITIVE_INFINITY, answer: read() };
      answers.delete(key);
      answers.set(key, entry);
      dropOldest(answers, nowMs);
      try {
        const answer = await entry.answer;
        entry.untilMs = nowMs + freshMsOf(answer);
        return answer;
      } catch (error) {
        if (answers.get(key) === entry) answers.delete(key);
        throw error;
      }
    },
    forget: (key) => void answers.delete(key),
  };
}

function dropOldest(answers: Map<string, Entry<unknown>>, nowMs: number): void {
  for (const [key, { untilMs }] of answers) {
    if (untilMs > nowMs && answers.size <= ANSWERS_MAX) return;
    answers.delete(key);
  }
}

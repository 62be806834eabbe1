import { FksError } from "#core/errors.ts";

/** A number from 0 up to 1, the next of a series that a seed fixes. */
export type Random = () => number;

/** Small and good enough to vary tests; the same seed gives the same series. */
export function randomFrom(seed: number): Random {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** How often a call goes wrong, each from 0 to 1. */
export interface Faults {
  /** The call never arrives. */
  lostThere: number;
  /** The call is obeyed and its answer lost. */
  lostBack: number;
  /** The call arrives twice; the first answer is told. */
  doubled: number;
}

export const NO_FAULTS: Readonly<Faults> = { lostThere: 0, lostBack: 0, doubled: 0 };

/**
 * The same interface, whose promises now and then go wrong as `faults` say; both kinds of loss are
 * `Unavailable`, for a caller cannot tell them apart. `faults` may be changed while it is in use.
 * Methods that do not return a promise are left alone.
 */
export function faulty<T extends object>(inner: T, faults: Faults, random: Random): T {
  return new Proxy(inner, {
    get(target, property, receiver) {
      const member: unknown = Reflect.get(target, property, receiver);
      if (typeof member !== "function") return member;
      return (...args: unknown[]): unknown => {
        const call = (): unknown => Reflect.apply(member, target, args);
        return isStream(property) ? call() : unreliable(call, String(property), faults, random);
      };
    },
  });
}

/** The change stream is no call: cut it by hand. */
function isStream(property: string | symbol): boolean {
  return property === "watch";
}

async function unreliable(
  call: () => unknown,
  what: string,
  faults: Faults,
  random: Random,
): Promise<unknown> {
  if (random() < faults.lostThere) throw lost(what);
  const isDoubled = random() < faults.doubled;
  const isAnswerLost = random() < faults.lostBack;
  const answer = await call();
  if (isDoubled) await Promise.allSettled([call()]);
  if (isAnswerLost) throw lost(what);
  return answer;
}

function lost(what: string): FksError {
  return new FksError("Unavailable", `${what}: the connection was lost`);
}

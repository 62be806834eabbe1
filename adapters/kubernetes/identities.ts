import { FksError } from "#core/errors.ts";
import { type Clock, sleep } from "#core/ports/clock.ts";
import type { Log } from "#core/ports/log.ts";
import { type KeyPair, renewalTimeFor, unfitnessOf } from "./certificates.ts";
import type { SigningOrder } from "./signing.ts";

const RETRY_FIRST_MS = 5_000;
const RETRY_MAX_MS = 600_000;

/** Where key pairs outlive us; a pair is written whole or not at all. */
export interface IdentityStore {
  /** `undefined` when there is none, or none that can be read. */
  load(name: string): Promise<KeyPair | undefined>;
  save(name: string, pair: KeyPair): Promise<void>;
}

export interface IdentitySpec {
  /** Names the file in the store. */
  readonly name: string;
  readonly order: SigningOrder;
  /** PEM of the CAs that sign such certificates in this cluster. */
  readonly authorities: string;
}

/** A key pair that is renewed while we run. */
export interface HeldIdentity {
  readonly name: string;
  current(): KeyPair;
  onChange(listener: (pair: KeyPair) => void): void;
}

export interface IdentityDeps {
  readonly store: IdentityStore;
  /** Has a new pair signed. */
  readonly sign: (order: SigningOrder, signal: AbortSignal) => Promise<KeyPair>;
  readonly clock: Clock;
  readonly log: Log;
}

export interface KeptIdentity extends HeldIdentity {
  /** Renews the pair at 70 % of its life, again and again, until `signal` aborts. */
  run(signal: AbortSignal): Promise<void>;
}

/** The stored pair when it still fits, else a new one. */
export async function keptIdentity(
  spec: IdentitySpec,
  deps: IdentityDeps,
  signal: AbortSignal,
): Promise<KeptIdentity> {
  const { store, sign, clock, log } = deps;
  const listeners: ((pair: KeyPair) => void)[] = [];

  const renew = async (reason: string, within: AbortSignal): Promise<KeyPair> => {
    const pair = await sign(spec.order, within);
    await store.save(spec.name, pair);
    log.info("certificate issued", { identity: spec.name, reason });
    return pair;
  };

  const stored = await store.load(spec.name);
  const unfit =
    stored === undefined
      ? "there is none"
      : await unfitnessOf(stored, spec.order.subject, spec.authorities, clock.now());
  let pair =
    stored === undefined || unfit !== undefined
      ? await renew(unfit ?? "there is none", signal)
      : stored;

  return {
    name: spec.name,
    current: () => pair,
    onChange: (listener) => void listeners.push(listener),
    async run(running) {
      let failures = 0;
      while (!running.aborted) {
        try {
          const waitMs = Math.max(0, renewalTimeFor(pair.cert) - clock.now());
          // A host that slept, or a clock that was set, must not be noticed a month late.
          await sleep(clock, Math.min(waitMs, RETRY_MAX_MS), running);
          if (clock.now() < renewalTimeFor(pair.cert)) continue;
          pair = await renew("it is due for renewal", running);
          failures = 0;
          for (const listener of listeners) listener(pair);
        } catch (err) {
          if (running.aborted) return;
          if (!(err instanceof FksError)) throw err;
          const retryInMs = Math.min(RETRY_FIRST_MS * 2 ** failures, RETRY_MAX_MS);
          failures += 1;
          log.warn("certificate not renewed", {
            identity: spec.name,
            err,
            retry_in_ms: retryInMs,
          });
          await sleep(clock, retryInMs, running).catch(() => {});
        }
      }
    },
  };
}

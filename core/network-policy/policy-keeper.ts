import { FksError } from "../errors.ts";
import type { NetworkPolicy } from "../kube/network-policy.ts";
import { type Clock, sleep } from "../ports/clock.ts";
import type { Log } from "../ports/log.ts";
import type { PolicyRules } from "../ports/policy-rules.ts";
import type { NamespaceLabels, PolicyPod } from "./policy-pod.ts";
import { policyTableFor } from "./policy-table.ts";

/** Changes that come together cost one. */
const TOGETHER_MS = 50;
const RETRY_FIRST_MS = 200;
const RETRY_MAX_MS = 10_000;

interface PolicyKeeperOptions {
  readonly policies: () => readonly NetworkPolicy[];
  readonly pods: () => readonly PolicyPod[];
  readonly namespaces: () => NamespaceLabels;
  /** Everything there is has been seen: a policy that is not known yet must not be taken for none. */
  readonly isSynced: () => boolean;
  readonly rules: PolicyRules;
  readonly clock: Clock;
  readonly log: Log;
}

export interface PolicyKeeper {
  /** Something that policies look at may have changed. */
  touch(): void;
  /** The place where the rules were is new and empty. */
  reload(): void;
  /** For people: why what policies say is not held at this moment; undefined when it is. */
  waitsFor(): string | undefined;
  /** Keeps the rules in step until `signal` aborts. */
  run(signal: AbortSignal): Promise<void>;
}

/** Keeps what holds Pods to their policies in step with policies, Pods and Namespaces. */
export function policyKeeper(options: PolicyKeeperOptions): PolicyKeeper {
  const { policies, pods, namespaces, isSynced, rules, clock, log } = options;
  let isDirty = true;
  let waiting: string | undefined = "waiting for NetworkPolicies";
  let touched = Promise.withResolvers<void>();
  /** Bumped by `reload`: what is being applied then does not count. */
  let generation = 0;

  const nextTouch = async (): Promise<void> => {
    if (isDirty) return;
    touched = Promise.withResolvers<void>();
    await touched.promise;
  };

  async function apply(signal: AbortSignal): Promise<void> {
    const table = policyTableFor({
      policies: policies(),
      pods: pods(),
      namespaces: namespaces(),
    });
    await rules.apply(table, signal);
  }

  const touch = (): void => {
    isDirty = true;
    touched.resolve();
  };

  return {
    touch,
    reload() {
      generation += 1;
      rules.forget();
      waiting = "waiting for NetworkPolicies";
      touch();
    },
    waitsFor: () => waiting,
    async run(signal) {
      let delayMs = RETRY_FIRST_MS;
      signal.addEventListener("abort", () => touched.resolve(), { once: true });
      while (!signal.aborted) {
        await nextTouch();
        await sleep(clock, TOGETHER_MS, signal).catch(() => {});
        if (signal.aborted) return;
        // Nobody tells of a list that is there and empty.
        if (!isSynced()) continue;
        isDirty = false;
        try {
          const of = generation;
          await apply(signal);
          if (of === generation) waiting = undefined;
          delayMs = RETRY_FIRST_MS;
        } catch (error) {
          if (signal.aborted) return;
          if (!(error instanceof FksError)) throw error;
          waiting = `NetworkPolicies are not held as they are now: ${error.message}`;
          log.warn("policies not applied", { err: error, retry_in_ms: delayMs });
          isDirty = true;
          await sleep(clock, delayMs, signal).catch(() => {});
          delayMs = Math.min(delayMs * 2, RETRY_MAX_MS);
        }
      }
    },
  };
}

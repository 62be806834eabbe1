import type { PolicyRules } from "#core/ports/policy-rules.ts";
import { changedPolicyText, wholePolicyText } from "./policy-changes.ts";
import { type PolicyObjects, policyObjectsFor } from "./policy-text.ts";
import type { RunNft } from "./run-nft.ts";

interface PolicyRulesOptions {
  /** In the router's namespace. */
  readonly nft: Pick<RunNft, "load">;
  /** Speak for the Nodes, whom no policy keeps out: probes, logs, port-forwards. */
  readonly hostAddresses: readonly string[];
}

/** NetworkPolicies held by the kernel where all traffic of Pods passes. */
export function nftPolicyRules({ nft, hostAddresses }: PolicyRulesOptions): PolicyRules {
  /** Undefined: nobody knows what the kernel holds. */
  let applied: PolicyObjects | undefined;
  /** Bumped by `forget`: what is being loaded then goes where nobody looks any more. */
  let generation = 0;
  return {
    async apply(table, signal) {
      const now = policyObjectsFor(table);
      const text =
        applied === undefined
          ? wholePolicyText(now, hostAddresses)
          : changedPolicyText(applied, now);
      if (text === "") return;
      applied = undefined;
      const of = generation;
      await nft.load(text, signal);
      if (of === generation) applied = now;
    },
    forget() {
      generation += 1;
      applied = undefined;
    },
  };
}

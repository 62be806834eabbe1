import type { PolicyTable } from "../network-policy/policy-table.ts";

/** What holds Pods to their NetworkPolicies. */
export interface PolicyRules {
  /**
   * From now on connections begin as `table` says, all of it at once; those that are there already go
   * on. Throws `Unavailable`; then what was there before still holds.
   */
  apply(table: PolicyTable, signal: AbortSignal): Promise<void>;
  /** What was applied is gone: the next `apply` begins from nothing. */
  forget(): void;
}

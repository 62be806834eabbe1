import type { ContainerId, MachineAddress } from "../runtime/runtime.ts";

/** What came of a probe or a hook. */
export type Outcome =
  | { readonly is: "success" }
  | { readonly is: "warning" | "failure"; readonly message: string };

export const SUCCESS: Outcome = { is: "success" };

/** Whose probe or hook it is. */
export interface ActionTarget {
  readonly id: ContainerId;
  readonly address: MachineAddress;
}

import type { ObjectMeta } from "./meta.ts";

/** A Namespace as we read it. */
export interface Namespace {
  readonly metadata: ObjectMeta & {
    readonly labels: Readonly<Record<string, string>>;
    readonly annotations: Readonly<Record<string, string>>;
    readonly finalizers: readonly string[];
  };
  /** `kubernetes` until everything in a namespace that is being deleted is gone. */
  readonly spec: { readonly finalizers: readonly string[] };
  readonly status: { readonly phase: "Active" | "Terminating" };
}

import type { ObjectMeta } from "./meta.ts";

/** A Namespace as we read it. */
export interface Namespace {
  readonly metadata: ObjectMeta & {
    readonly labels: Readonly<Record<string, string>>;
    readonly annotations: Readonly<Record<string, string>>;
    readonly finalizers: readonly string[];
  };
  readonly status: { readonly phase: "Active" | "Terminating" };
}

import type { Namespace } from "../kube/namespace.ts";

/** Namespaces, and what we write on them. */
export interface Namespaces {
  /** As it is now, not as a watch last told. Throws `NotFound`. */
  read(name: string, signal: AbortSignal): Promise<Namespace>;
  /** All of them; complete, or it throws. */
  list(signal: AbortSignal): Promise<readonly Namespace[]>;
  /**
   * Sets labels and adds a finalizer; others stay. Throws `NotFound`, `Conflict` when it is another
   * namespace by now or is being deleted.
   */
  claim(
    namespace: Namespace,
    change: { readonly labels: Readonly<Record<string, string>>; readonly finalizer: string },
    signal: AbortSignal,
  ): Promise<void>;
  /** Takes a finalizer away. Idempotent; a namespace that is gone is a success. */
  letGo(namespace: Namespace, finalizer: string, signal: AbortSignal): Promise<void>;
}

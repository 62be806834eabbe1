/** Fly Apps; each Kubernetes namespace has one. */
export interface Apps {
  /** Throws `NotFound`; `Forbidden` when the name belongs to another organisation. */
  get(name: string, signal: AbortSignal): Promise<App>;
  /** An App of this name that is ours already is a success. */
  create(name: string, signal: AbortSignal): Promise<App>;
  list(signal: AbortSignal): Promise<readonly App[]>;
  /** Idempotent: an App that is already gone is a success. */
  destroy(name: string, signal: AbortSignal): Promise<void>;
}

export interface App {
  readonly name: string;
  readonly status: string;
  readonly machine_count?: number;
}

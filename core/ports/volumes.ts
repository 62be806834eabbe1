import type { Volume } from "../fly/volume.ts";

/**
 * Volumes of Apps. No method retries; each one passes the call budget. All may throw FksError
 * `Unauthorized`, `Forbidden`, `RateLimited` and `Unavailable`; an ambiguous failure (the call may
 * have been obeyed) is `Unavailable` too, and so is a region that is full.
 */
export interface Volumes {
  /** Without those on their way out. Complete, or it throws; `NotFound` when the App is not there. */
  list(app: string, signal: AbortSignal): Promise<readonly Volume[]>;
  /** Throws `NotFound`. */
  get(app: string, id: string, signal: AbortSignal): Promise<Volume>;
  /**
   * One more volume, each call another one: names are not unique. Throws `NotFound` when the App is
   * not there, `InvalidInput`.
   */
  create(app: string, request: CreateVolume, signal: AbortSignal): Promise<Volume>;
  /** Throws `InvalidInput` unless it grows, `NotFound`. */
  extend(app: string, id: string, sizeGb: number, signal: AbortSignal): Promise<ExtendedVolume>;
  /** Idempotent. Throws `Conflict` while a Machine has it. */
  destroy(app: string, id: string, signal: AbortSignal): Promise<void>;
}

/** In Fly's own words. */
export interface CreateVolume {
  /** At most 30 letters, digits and underscores. */
  readonly name: string;
  readonly region: string;
  readonly size_gb: number;
  readonly encrypted?: boolean;
  /** Days, 1 to 60. */
  readonly snapshot_retention?: number;
  readonly auto_backup_enabled?: boolean;
}

export interface ExtendedVolume {
  readonly volume: Volume;
  /** Its Machine sees the new size only after its next start. */
  readonly needsRestart: boolean;
}

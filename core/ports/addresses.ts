/**
 * IP addresses of Apps, Fly's `ip_assignments`. No method retries; each one passes the call budget.
 * All may throw FksError `Unauthorized`, `Forbidden`, `RateLimited` and `Unavailable`; an ambiguous
 * failure (the call may have been obeyed) is `Unavailable` too.
 */
export interface Addresses {
  /** Throws `NotFound` when the App is not there. */
  list(app: string, signal: AbortSignal): Promise<readonly IpAssignment[]>;
  /**
   * One more address, each call another one. Throws `NotFound` when the App is not there, `Conflict`
   * when `ip` is taken, `Unavailable` when none is left, `Unsupported` for what the platform does
   * not have, `InvalidInput` for an `ip` that is outside its range.
   */
  assign(app: string, request: AssignIp, signal: AbortSignal): Promise<IpAssignment>;
  /** Idempotent: an address, or an App, that is already gone is a success. */
  release(app: string, ip: string, signal: AbortSignal): Promise<void>;
}

/** In Fly's own words; the list tells no types: a flycast address is known by its prefix `fdaa:`. */
export interface IpAssignment {
  /** As RFC 5952 writes it. */
  readonly ip: string;
  readonly region: string;
  /** "" for an address of the whole App. */
  readonly service_name: string;
  readonly shared: boolean;
  /** RFC 3339. */
  readonly created_at: string;
}

export interface AssignIp {
  readonly type: "v4" | "v6" | "shared_v4" | "private_v6";
  readonly service_name?: string;
  /**
   * The very address that is wanted. Fly does not know this field and gives another one: the answer
   * tells.
   */
  readonly ip?: string;
}

import { ApiError } from "./errors.ts";
import { iso, type LeaseRecord, type MachineRecord } from "./record.ts";

export const NONCE_HEADER = "fly-machine-lease-nonce";

/** The lease that holds the Machine now; one that ran out is none. */
export function leaseOf(record: MachineRecord, nowMs: number): LeaseRecord | undefined {
  return record.lease !== undefined && record.lease.expiresMs > nowMs ? record.lease : undefined;
}

/** Throws the API's 409 when somebody else holds the Machine. */
export function refuseForeignLease(
  record: MachineRecord,
  nonce: string | undefined,
  nowMs: number,
): void {
  const lease = leaseOf(record, nowMs);
  if (lease === undefined || lease.nonce === nonce) return;
  const until = iso(lease.expiresMs);
  throw new ApiError(
    409,
    `machine ID ${record.id} lease currently held by ${lease.owner}, expires at ${until}`,
  );
}

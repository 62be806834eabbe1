/** The Volume of Fly's Machines API, in Fly's own words and case. */
export interface Volume {
  /** `vol_…` */
  readonly id: string;
  /** Not unique. */
  readonly name: string;
  readonly state: string;
  readonly size_gb: number;
  readonly region: string;
  readonly encrypted: boolean;
  /** `ext4`, or another word where the size binds nobody. */
  readonly fstype: string;
  /** RFC 3339. */
  readonly created_at: string;
  readonly attached_machine_id?: string;
  /** Of the file system, which may wait to be grown to `size_gb`; absent or 0: not told. */
  readonly bytes_total?: number;
}

/** What a volume of Fly may have at most, in GB. Source: Fly docs, "Volumes". */
export const VOLUME_MAX_GB = 500;

export const GIB = 2 ** 30;

/** States of a volume on its way out. Source: fly-go. */
const GOING: ReadonlySet<string> = new Set([
  "scheduling_destroy",
  "fork_cleanup",
  "waiting_for_detach",
  "pending_destroy",
  "destroying",
]);

export function isGoing({ state }: Volume): boolean {
  return GOING.has(state);
}

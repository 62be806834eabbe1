/** A volume and its snapshots as the store keeps them and as the public API shows them. Pure. */
import { GIB } from "#core/fly/volume.ts";

/** What the data are in: a file system of their own in a file, a plain folder, or nothing at all. */
export type Backing = "image" | "folder" | "none";

export interface VolumeRecord {
  /** `vol_` and 16 characters. */
  readonly id: string;
  readonly app: string;
  /** Not unique. */
  readonly name: string;
  readonly region: string;
  readonly sizeGb: number;
  readonly createdMs: number;
  /** `creating` and `pending_destroy` are intents: a later process carries them out. */
  readonly state: "creating" | "created" | "pending_destroy";
  readonly backing: Backing;
  /** What a volume that is being made is copied from. */
  readonly from?: CopySource;
  readonly snapshotRetention: number;
  readonly autoBackup: boolean;
}

export interface CopySource {
  readonly kind: "volume" | "snapshot";
  readonly id: string;
}

export interface SnapshotRecord {
  /** `vs_` and 16 characters. */
  readonly id: string;
  readonly app: string;
  readonly volume: string;
  /** As the volume's. */
  readonly backing: Backing;
  readonly volumeGb: number;
  /** What it takes on this host; absent while it is being made. */
  readonly bytes?: number;
  readonly createdMs: number;
  readonly retentionDays: number;
}

/** What a volume holds now. */
export interface VolumeUsage {
  /** Of the file system, which may still wait to be grown. */
  readonly bytesTotal: number;
  readonly bytesUsed: number;
  readonly bytesFree: number;
}

const DAY_MS = 86_400_000;
const BLOCK_BYTES = 4096;

/** The Volume of the public API. */
export function volumeView(
  record: VolumeRecord,
  usage: VolumeUsage,
  machineId: string | undefined,
): Record<string, unknown> {
  const blocks = (bytes: number): number => Math.floor(bytes / BLOCK_BYTES);
  return {
    id: record.id,
    name: record.name,
    state: record.state,
    size_gb: record.sizeGb,
    region: record.region,
    zone: zoneOf(record.region),
    // Nothing here encrypts what is on the host's disk.
    encrypted: false,
    attached_machine_id: machineId ?? null,
    attached_alloc_id: null,
    created_at: new Date(record.createdMs).toISOString(),
    blocks: blocks(usage.bytesTotal),
    block_size: BLOCK_BYTES,
    blocks_free: blocks(usage.bytesFree),
    blocks_avail: blocks(usage.bytesFree),
    bytes_total: usage.bytesTotal,
    bytes_used: usage.bytesUsed,
    fstype: record.backing === "folder" ? FOLDER_FSTYPE : "ext4",
    snapshot_retention: record.snapshotRetention,
    auto_backup_enabled: record.autoBackup,
    host_status: "ok",
    type: "local",
  };
}

/** Told of a volume that has no bound of its own: a folder on the host's file system. */
const FOLDER_FSTYPE = "folder";

/** Four hexadecimal characters, the same for every volume of a region: this host is one zone. */
function zoneOf(region: string): string {
  const sum = Buffer.from(region).reduce((hash, byte) => (hash * 31 + byte) % 0x1_0000, 7);
  return sum.toString(16).padStart(4, "0");
}

export function snapshotView(record: SnapshotRecord): Record<string, unknown> {
  return {
    id: record.id,
    size: record.bytes ?? 0,
    volume_size: record.volumeGb * GIB,
    digest: "",
    created_at: new Date(record.createdMs).toISOString(),
    status: record.bytes === undefined ? "pending" : "created",
    retention_days: record.retentionDays,
  };
}

export function isExpired({ createdMs, retentionDays }: SnapshotRecord, nowMs: number): boolean {
  return createdMs + retentionDays * DAY_MS <= nowMs;
}

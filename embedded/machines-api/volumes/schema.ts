/** Bodies of the public API's volume calls. */
import * as z from "zod";

const MAX_SIZE_GB = 500;
const size = z.number().int().min(1).max(MAX_SIZE_GB);
const retention = z.number().int().min(1).max(60);
const kept = z.unknown().exactOptional();

export const volumeBody = z.looseObject({
  name: z.string().regex(/^[A-Za-z0-9_]{1,30}$/, "must be 1 to 30 letters, digits and underscores"),
  region: z.string().exactOptional(),
  size_gb: size.exactOptional(),
  snapshot_retention: retention.exactOptional(),
  auto_backup_enabled: z.boolean().exactOptional(),
  fstype: z.literal("ext4", "only ext4 volumes can be had here").exactOptional(),
  snapshot_id: z.string().exactOptional(),
  source_volume_id: z.string().exactOptional(),
  /** Taken and not done: what a volume shows tells that it is not encrypted. */
  encrypted: z.boolean().exactOptional(),
  require_unique_zone: kept,
  unique_zone_app_wide: kept,
  compute: kept,
  compute_image: kept,
  machines_only: kept,
});

export const volumeSettingsBody = z.looseObject({
  snapshot_retention: retention.exactOptional(),
  auto_backup_enabled: z.boolean().exactOptional(),
});

export const extendBody = z.looseObject({ size_gb: size });

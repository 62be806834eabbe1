import type { Clock } from "#core/ports/clock.ts";
import type { RandomBytes } from "../ids.ts";
import type { VolumeFiles } from "./volume-files.ts";
import type { VolumeStore } from "./volume-store.ts";

/** What volumes and their snapshots are kept with. */
export interface VolumeDeps {
  readonly store: VolumeStore;
  readonly files: VolumeFiles;
  readonly clock: Clock;
  /** Of `vol` or `vs`: the prefix and 16 characters. */
  readonly newId: (prefix: "vol" | "vs") => string;
}

const CHARS = "0123456789abcdefghijklmnopqrstuvwxyz";
const LENGTH = 16;

export function volumeIds(random: RandomBytes): VolumeDeps["newId"] {
  return (prefix) => {
    const chars = Array.from(random(LENGTH), (byte) => CHARS[byte % CHARS.length]);
    return `${prefix}_${chars.join("")}`;
  };
}

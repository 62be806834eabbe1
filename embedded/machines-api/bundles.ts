import {
  chmodSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import type { Bundle } from "#core/fly/machine-protocol.ts";
import { type Conducts, conductsOf } from "./conduct.ts";

/**
 * Bundles on a tmpfs, readable by us alone: they hold tokens and secret values, so that a host's
 * reboot must forget them and no database may know them.
 */
export interface Bundles {
  has(machineId: string): boolean;
  read(machineId: string): Bundle | undefined;
  /** Cheap; empty without a bundle. The same value until the next `write`. */
  conducts(machineId: string): Conducts;
  /** References of the images that its volumes show. Cheap. */
  images(machineId: string): readonly string[];
  write(machineId: string, bundle: Bundle): void;
  remove(machineId: string): void;
}

export function bundlesIn(runDir: string): Bundles {
  const folder = join(runDir, "bundles");
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  chmodSync(folder, 0o700);
  const fileOf = (machineId: string): string => join(folder, `${machineId}.json`);
  // Asked with every step of every Machine, so the folder is read only once.
  const known = new Set(
    readdirSync(folder).flatMap((file) => file.match(/^(.+)\.json$/)?.[1] ?? []),
  );
  const conducts = new Map<string, Conducts>();
  const images = new Map<string, readonly string[]>();

  function read(machineId: string): Bundle | undefined {
    if (!known.has(machineId)) return undefined;
    const bundle: Bundle = JSON.parse(readFileSync(fileOf(machineId), "utf8"));
    return bundle;
  }

  return {
    has: (machineId) => known.has(machineId),
    read,
    conducts(machineId) {
      const kept = conducts.get(machineId) ?? conductsOf(read(machineId));
      if (known.has(machineId)) conducts.set(machineId, kept);
      return kept;
    },
    images(machineId) {
      const kept = images.get(machineId) ?? imagesOf(read(machineId));
      if (known.has(machineId)) images.set(machineId, kept);
      return kept;
    },
    write(machineId, bundle) {
      const file = fileOf(machineId);
      writeFileSync(`${file}.new`, JSON.stringify(bundle), { mode: 0o600 });
      renameSync(`${file}.new`, file);
      known.add(machineId);
      conducts.delete(machineId);
      images.delete(machineId);
    },
    remove(machineId) {
      rmSync(fileOf(machineId), { force: true });
      known.delete(machineId);
      conducts.delete(machineId);
      images.delete(machineId);
    },
  };
}

function imagesOf(bundle: Bundle | undefined): readonly string[] {
  return Object.values(bundle?.images ?? {}).map(({ image }) => image);
}

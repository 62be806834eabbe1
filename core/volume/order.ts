import { FksError } from "../errors.ts";
import { GIB, VOLUME_MAX_GB } from "../fly/volume.ts";
import type { PersistentVolumeClaim, StorageClass } from "../kube/persistent-volume.ts";
import { wholeOf } from "../kube/quantity.ts";
import type { CreateVolume } from "../ports/volumes.ts";
import { REGION_LABEL, SHORT_REGION_LABEL } from "./names.ts";

/** The volume a claim is to get, or every reason why it cannot. */
export type VolumeOrder =
  | { readonly ok: true; readonly request: Omit<CreateVolume, "name"> }
  | { readonly ok: false; readonly reasons: readonly string[] };

export interface OrderPlace {
  /** Of the Node that the scheduler chose; undefined where nobody has to choose. */
  readonly region: string | undefined;
  /** Of our Nodes. */
  readonly regions: readonly string[];
}

/** Pure and total. */
export function volumeOrderFor(
  claim: PersistentVolumeClaim,
  storageClass: StorageClass,
  place: OrderPlace,
): VolumeOrder {
  const size = sizeGbFor(claim.spec.storage);
  const region = regionFor(claim, storageClass, place);
  const settings = settingsFor(storageClass);
  const reasons = [
    ...refusalsOf(claim),
    ...(storageClass.mountOptions.length > 0 ? ["Mount options are not carried."] : []),
    ...[size, region, settings].flatMap((part) => ("refused" in part ? part.refused : [])),
  ];
  if (reasons.length > 0) return { ok: false, reasons };
  if (!("gb" in size && "region" in region && "settings" in settings)) {
    return { ok: false, reasons };
  }
  return {
    ok: true,
    request: { region: region.region, size_gb: size.gb, ...settings.settings },
  };
}

/** Whole GB, rounded up. */
export function sizeGbFor(
  storage: string,
): { readonly gb: number } | { readonly refused: readonly string[] } {
  try {
    const gb = Math.max(1, Math.ceil(wholeOf(storage) / GIB));
    if (gb <= VOLUME_MAX_GB) return { gb };
    return { refused: [`A Fly volume has at most ${VOLUME_MAX_GB} GB; ${storage} are asked for.`] };
  } catch (error) {
    if (!FksError.is(error, "InvalidInput")) throw error;
    return { refused: [`${error.message}.`] };
  }
}

const MODES: ReadonlySet<string> = new Set(["ReadWriteOnce", "ReadWriteOncePod"]);

function refusalsOf({ spec }: PersistentVolumeClaim): readonly string[] {
  const wrong = spec.accessModes.filter((mode) => !MODES.has(mode));
  const { matchLabels = {}, matchExpressions = [] } = spec.selector ?? {};
  const others = Object.keys(matchLabels).filter((key) => key !== SHORT_REGION_LABEL);
  return [
    ...wrong.map(
      (mode) => `${mode}: a Fly volume is one Machine's, ReadWriteOnce or ReadWriteOncePod.`,
    ),
    ...(spec.volumeMode === "Block" ? ["A Fly volume is a file system, not a block device."] : []),
    ...(others.length > 0 || matchExpressions.length > 0
      ? [`The selector of a claim may only say the label "${SHORT_REGION_LABEL}".`]
      : []),
    ...(spec.hasSource ? ["A claim cannot start with the data of something else."] : []),
  ];
}

function regionFor(
  { spec }: PersistentVolumeClaim,
  storageClass: StorageClass,
  { region, regions }: OrderPlace,
): { readonly region: string } | { readonly refused: readonly string[] } {
  const wanted = spec.selector?.matchLabels[SHORT_REGION_LABEL];
  const allowed = storageClass.allowedTopologies.flatMap(({ matchLabelExpressions }) =>
    matchLabelExpressions
      .filter(({ key }) => key === REGION_LABEL || key === SHORT_REGION_LABEL)
      .flatMap(({ values }) => values),
  );
  const found = wanted ?? region ?? allowed.find((one) => regions.includes(one)) ?? regions[0];
  if (found === undefined || !regions.includes(found)) {
    const have = regions.length === 0 ? "no Node yet" : `Nodes in ${regions.join(", ")}`;
    return { refused: [`There is no Node in region "${found ?? ""}"; there are ${have}.`] };
  }
  if (storageClass.allowedTopologies.length === 0 || allowed.includes(found)) {
    return { region: found };
  }
  return { refused: [`The class allows no volume in region "${found}".`] };
}

/** What a class may say in `parameters`, in Fly's words. */
function settingsFor({
  parameters,
}: StorageClass):
  | { readonly settings: Partial<CreateVolume> }
  | { readonly refused: readonly string[] } {
  const settings: { -readonly [K in keyof CreateVolume]?: CreateVolume[K] } = {};
  const refused: string[] = [];
  for (const [key, value] of Object.entries(parameters)) {
    const isFlag = value === "true" || value === "false";
    const days = Number(value);
    if (key === "encrypted" && isFlag) settings.encrypted = value === "true";
    else if (key === "auto_backup_enabled" && isFlag) {
      settings.auto_backup_enabled = value === "true";
    } else if (key === "snapshot_retention" && Number.isInteger(days) && days >= 1 && days <= 60) {
      settings.snapshot_retention = days;
    } else if (!(FSTYPE.has(key) && value === "ext4")) {
      refused.push(`The class says ${key}: "${value}", which no Fly volume has.`);
    }
  }
  return refused.length > 0 ? { refused } : { settings };
}

const FSTYPE: ReadonlySet<string> = new Set(["fstype", "csi.storage.k8s.io/fstype"]);

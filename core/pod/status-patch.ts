import type { Pod, PodCondition, PodStatus } from "../kube/pod.ts";
import { isSame } from "../kube/same.ts";
import { isPassingCondition } from "./conditions.ts";

/** A strategic-merge PATCH of the status subresource; the UID is its precondition. */
export interface StatusPatch {
  readonly metadata: { readonly uid: string };
  readonly status: Readonly<Record<string, unknown>>;
}

/** The fields of the status that we write; others are left alone. */
const FIELDS = [
  "phase",
  "reason",
  "message",
  "hostIP",
  "podIP",
  "startTime",
  "observedGeneration",
  "initContainerStatuses",
  "containerStatuses",
  "ephemeralContainerStatuses",
] as const satisfies readonly (keyof PodStatus)[];

/** Lists the API server would merge by address: a changed one has to replace the whole list. */
const ADDRESS_LISTS = ["hostIPs", "podIPs"] as const;

/** What turns the status `pod` has into `status`, or undefined when nothing would change. Pure. */
export function statusPatchFor(pod: Pod, status: PodStatus): StatusPatch | undefined {
  const old = pod.status ?? {};
  const changes: Record<string, unknown> = {};
  for (const field of FIELDS) {
    if (!isSame(old[field], status[field])) changes[field] = status[field] ?? null;
  }
  for (const field of ADDRESS_LISTS) {
    if (!isSame(old[field], status[field])) {
      changes[field] = [{ $patch: "replace" }, ...(status[field] ?? [])];
    }
  }
  const conditions = conditionChanges(old, status);
  if (conditions.length > 0) changes["conditions"] = conditions;

  return Object.keys(changes).length === 0
    ? undefined
    : { metadata: { uid: pod.metadata.uid }, status: changes };
}

/** The API server merges conditions by type; a reason or message that is no more has to be null. */
function conditionChanges(old: PodStatus, next: PodStatus): readonly unknown[] {
  const isLeft = ({ type }: PodCondition): boolean =>
    isPassingCondition(type) && next.conditions?.some((one) => one.type === type) !== true;
  const removed = (old.conditions ?? []).filter(isLeft).map(({ type }) => {
    return { $patch: "delete", type };
  });
  const changed = (next.conditions ?? []).flatMap((condition) => {
    const before = old.conditions?.find(({ type }) => type === condition.type);
    if (isSame(before, condition)) return [];
    const gone = Object.keys(before ?? {}).filter((key) => !Object.hasOwn(condition, key));
    return [{ ...condition, ...Object.fromEntries(gone.map((key) => [key, null])) }];
  });
  return [...removed, ...changed];
}

import { ALARM_KINDS, type AlarmKind } from "./alarms.ts";

/** So long an alarm goes on after its last occurrence: two of the API server's compactions. */
const ACTIVE_MS = 600_000;

export interface Occurrences {
  /** Since `serve` started. */
  readonly count: number;
  readonly lastAtMs: number;
}

/** How often each alarm was there, and when last. */
export type Tally = Readonly<Partial<Record<AlarmKind, Occurrences>>>;

/** What one look at a datastore saw. */
export interface Sightings {
  /** One for each line that tells it. */
  readonly told: readonly AlarmKind[];
  /** What is so at this moment: it counts once for as long as it goes on. */
  readonly holding: readonly AlarmKind[];
}

/** The tally after one more look. Pure. */
export function tallyAfter(tally: Tally, { told, holding }: Sightings, nowMs: number): Tally {
  const more = [...told, ...holding.filter((kind) => !isActive(tally[kind], nowMs))];
  const seen = ALARM_KINDS.filter((kind) => told.includes(kind) || holding.includes(kind));
  const changed = seen.map((kind) => {
    const added = more.filter((other) => other === kind).length;
    return [kind, { count: (tally[kind]?.count ?? 0) + added, lastAtMs: nowMs }] as const;
  });
  return { ...tally, ...Object.fromEntries(changed) };
}

/** The alarms that people should know of now, in a fixed order. Pure. */
export function activeIn(
  tally: Tally,
  nowMs: number,
): readonly (Occurrences & { readonly kind: AlarmKind })[] {
  return ALARM_KINDS.flatMap((kind) => {
    const occurrences = tally[kind];
    return occurrences !== undefined && isActive(occurrences, nowMs)
      ? [{ kind, ...occurrences }]
      : [];
  });
}

function isActive(occurrences: Occurrences | undefined, nowMs: number): boolean {
  return occurrences !== undefined && nowMs - occurrences.lastAtMs < ACTIVE_MS;
}

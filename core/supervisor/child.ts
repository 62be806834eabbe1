import { FksError } from "../errors.ts";
import type { Probe, ProcessSpec } from "../ports/processes.ts";

/** A child process to keep alive, as data. */
export interface ChildSpec extends ProcessSpec {
  /** Children that must have been ready before this one starts; it is stopped before them. */
  readonly after: readonly string[];
  readonly probe: Probe;
  /** How long it may stay silent after its start before it counts as hung. */
  readonly startTimeoutMs: number;
  /**
   * From a start to readiness at the latest, even when it answers meanwhile; then it is ended and
   * started anew. Asked at each start. Absent: no limit.
   */
  readonly readyTimeoutMs?: () => number;
  /** Between SIGTERM and SIGKILL. */
  readonly graceMs: number;
  /**
   * The failure that a death means when starting again is no use; the supervisor then stops
   * everything and throws it. Asked at each death nobody asked for. Pure.
   */
  readonly giveUp?: (death: ChildDeath) => FksError | undefined;
}

export interface ChildDeath {
  readonly reason: string;
  /** In a row, this one included: since a life that was ready and lasted a minute. */
  readonly deaths: number;
  /** In any life, with its first step done. */
  readonly hasBeenReady: boolean;
}

/** How long stopping all of them takes at worst: the longest chain of graces. Pure. */
export function stopBudgetMs(children: readonly ChildSpec[]): number {
  const budgetOf = (child: ChildSpec): number => {
    const later = children.filter(({ after }) => after.includes(child.name));
    return child.graceMs + Math.max(0, ...later.map(budgetOf));
  };
  return Math.max(0, ...children.map(budgetOf));
}

/** Throws `InvalidInput` unless each child comes after ones that stand before it: so no circle. */
export function checkOrder(children: readonly ChildSpec[]): void {
  const seen = new Set<string>();
  for (const { name, after } of children) {
    const missing = after.find((other) => !seen.has(other));
    if (missing !== undefined || seen.has(name)) {
      throw new FksError("InvalidInput", `child ${name} cannot come after ${missing ?? name}`);
    }
    seen.add(name);
  }
}

import { FksError } from "../errors.ts";
import { nanosOf, quantityText, wholeOf } from "../kube/quantity.ts";
import {
  FORMAT_OF,
  type HostReading,
  observationOf,
  SIGNALS,
  type Signal,
  STARVED_OF,
} from "./signals.ts";

/** The kubelet's own. Source: Kubernetes docs, "Node-pressure Eviction", hard eviction thresholds. */
export const DEFAULT_EVICTION_HARD =
  "memory.available<100Mi,nodefs.available<10%,nodefs.inodesFree<5%,imagefs.available<15%,imagefs.inodesFree<5%";

/** Less than `least` of what `signal` tells is too little. */
export interface Threshold {
  readonly signal: Signal;
  readonly least: { readonly percent: number } | { readonly quantity: string };
}

/**
 * `memory.available<100Mi,nodefs.available<10%` as at a kubelet: what is named replaces all of the
 * defaults, 0% and 100% stand for never. Throws `InvalidInput` in the kubelet's words.
 */
export function thresholdsIn(text: string): readonly Threshold[] {
  const statements = text.split(",").map((statement) => statement.trim());
  const thresholds = statements.flatMap((statement) => {
    if (statement === "") return [];
    const [, name = "", value = ""] = /^([^<]*)<(.*)$/.exec(statement) ?? [];
    if (value === "") throw invalid(`"${statement}" is no threshold: expected signal<quantity`);
    const signal = SIGNALS.find((one) => one === name);
    if (signal === undefined) throw invalid(`unsupported eviction signal ${name}`);
    return value.endsWith("%")
      ? percentage(signal, value)
      : [{ signal, least: amount(signal, value) }];
  });
  const names = thresholds.map(({ signal }) => signal);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) throw invalid(`eviction signal ${twice} is named twice`);
  return thresholds;
}

function percentage(signal: Signal, value: string): readonly Threshold[] {
  if (!/^\d+(\.\d+)?%$/.test(value)) throw invalid(`${value} is no percentage`);
  const percent = Number(value.slice(0, -1));
  if (percent > 100) {
    throw invalid(`eviction percentage threshold ${signal} must be <= 100%: ${value}`);
  }
  return percent === 0 || percent === 100 ? [] : [{ signal, least: { percent } }];
}

function amount(signal: Signal, quantity: string): Threshold["least"] {
  if (nanosOf(quantity) > 0n) return { quantity };
  throw invalid(`eviction threshold ${signal} must be positive: ${quantity}`);
}

function invalid(sentence: string): FksError {
  return new FksError("InvalidInput", sentence);
}

/** The smallest amount that is enough. A percentage is reckoned as the kubelet does, in 32 bits. */
export function leastOf({ least }: Threshold, capacity: number): number {
  if ("quantity" in least) return wholeOf(least.quantity);
  return Math.trunc(capacity * Math.fround(Math.fround(least.percent) / 100));
}

/** The same, as messages show it. */
export function leastText(threshold: Threshold, capacity: number): string {
  const { least } = threshold;
  if ("quantity" in least) return least.quantity;
  // The kubelet writes percentages of inodes and PIDs in binary steps, too.
  return quantityText(leastOf(threshold, capacity), "binary");
}

/** The thresholds that are crossed now, the one to be dealt with first in front: memory. */
export function thresholdsMet(
  thresholds: readonly Threshold[],
  reading: HostReading,
): readonly Threshold[] {
  const met = thresholds.filter((threshold) => {
    const { available, capacity } = observationOf(reading, threshold.signal);
    return leastOf(threshold, capacity) > available;
  });
  const isMemory = ({ signal }: Threshold): boolean => signal === "memory.available";
  return [...met.filter(isMemory), ...met.filter((one) => !isMemory(one))];
}

export function availableText(reading: HostReading, signal: Signal): string {
  return quantityText(observationOf(reading, signal).available, FORMAT_OF[STARVED_OF[signal]]);
}

import type { Pod } from "../../kube/pod.ts";

/**
 * What becomes of one Pod field: `carried` to the Machine, `approximated` and named by an Event, or
 * `refused`, so that the Pod waits and an Event says why.
 */
export type Verdict = "carried" | "approximated" | "refused";

/**
 * What the Machines can do for us: with the Machine protocol, or by Fly's public API alone.
 * Data, not branches: every difference between them is a column of the field table.
 */
export const CAPABILITY_SETS = ["machine-protocol", "fly"] as const;
export type CapabilitySet = (typeof CAPABILITY_SETS)[number];

/** Some values of a field; `text` completes "when it is …" for people. */
export interface Values {
  readonly text: string;
  /** `pod` is the whole Pod, for fields whose meaning depends on another. */
  readonly has: (value: unknown, pod: Pod) => boolean;
}

export interface PodField {
  /** As the API server writes it, `[]` for any item of a list, `*` for any name. */
  readonly path: string;
  readonly verdict: Readonly<Record<CapabilitySet, Verdict>>;
  /** What happens to it, or why it cannot; one sentence each. */
  readonly sentence: Readonly<Record<CapabilitySet, string>>;
  /** The values this row is about; all other values are carried. Absent: every value. */
  readonly values?: Values;
}

interface RowOptions {
  /** What is different by the public API alone. */
  readonly fly?: readonly [Verdict, sentence: string];
  readonly values?: Values;
}

export function carried(path: string, sentence: string, options: RowOptions = {}): PodField {
  return row("carried", path, sentence, options);
}

export function approximated(path: string, sentence: string, options: RowOptions = {}): PodField {
  return row("approximated", path, sentence, options);
}

export function refused(path: string, sentence: string, options: RowOptions = {}): PodField {
  return row("refused", path, sentence, options);
}

function row(verdict: Verdict, path: string, sentence: string, options: RowOptions): PodField {
  const { fly = [verdict, sentence] as const, values } = options;
  const fields = {
    path,
    verdict: { "machine-protocol": verdict, fly: fly[0] },
    sentence: { "machine-protocol": sentence, fly: fly[1] },
  };
  return values === undefined ? fields : { ...fields, values };
}

export const TRUE: Values = { text: "`true`", has: (value) => value === true };
export const FALSE: Values = { text: "`false`", has: (value) => value === false };

/** Anything but `usual`. */
export function not(...usual: readonly (string | number)[]): Values {
  return {
    text: `not ${usual.map((value) => `\`${value}\``).join(" or ")}`,
    has: (value) => !usual.some((one) => one === value),
  };
}

export function exactly(...unusual: readonly string[]): Values {
  return {
    text: unusual.map((value) => `\`${value}\``).join(" or "),
    has: (value) => unusual.some((one) => one === value),
  };
}

import type { ContainerResources } from "#core/fly/machine-protocol.ts";
import type { Conducts } from "./conduct.ts";

/** One effect on the host or one change of the record. Steps with one `key` never run together. */
export type Step =
  | { readonly do: "launch-first"; readonly key: "" }
  | { readonly do: "prepare"; readonly key: "" }
  | { readonly do: "remove"; readonly key: "" }
  | { readonly do: "run"; readonly key: string }
  | { readonly do: "back-off"; readonly key: string }
  | { readonly do: "refuse"; readonly key: string }
  | { readonly do: "deadline"; readonly key: "" }
  | { readonly do: "resize"; readonly key: string; readonly resources: ContainerResources }
  | { readonly do: "restart-resized"; readonly key: string }
  | { readonly do: "pre-stop"; readonly key: string; readonly forMs: number }
  | { readonly do: "look"; readonly key: string }
  | { readonly do: "release"; readonly key: string; readonly attempt: number }
  | {
      readonly do: "signal";
      readonly key: string;
      readonly signal: string;
      readonly isKill: boolean;
    };

/** What the record does not say. */
export interface Surroundings {
  readonly nowMs: number;
  /** This process saw the Machine's network made. */
  readonly isPrepared: boolean;
  readonly hasBundle: boolean;
  readonly conducts: Conducts;
  /** Stop signals of the images, by container. */
  readonly imageSignals: ReadonlyMap<string, string>;
}

export interface Plan {
  readonly steps: readonly Step[];
  /** When to look again though nothing happened. */
  readonly wakeAtMs?: number;
}

/** The next step of one container, or when there may be one though nothing happens. */
export interface Want {
  readonly step?: Step;
  readonly atMs?: number;
}

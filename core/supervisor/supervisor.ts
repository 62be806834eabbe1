import { type ChildSpec, checkOrder } from "./child.ts";
import { type ChildLoop, type ChildLoopDeps, childLoop } from "./child-loop.ts";
import type { ChildReport } from "./child-report.ts";

export interface Supervisor {
  /**
   * Keeps all children alive until `signal` aborts, then stops them, each after those that came
   * after it. Resolves when the last one is gone. Throws what a first step threw.
   */
  run(signal: AbortSignal): Promise<void>;
  /** How every child is at this moment, in the order given. */
  report(): readonly ChildReport[];
  /**
   * A planned restart: stopped with its grace and started again at once; no death is counted.
   * Those that come after it are left alone. Unknown name or not running: nothing.
   */
  restart(name: string, reason: string): void;
}

/** Starts, watches, restarts and stops children by one mechanism. One's death takes no other down. */
export function supervisor(children: readonly ChildSpec[], deps: ChildLoopDeps): Supervisor {
  checkOrder(children);
  const loops = children.map((spec) => ({ spec, loop: childLoop(spec, deps) }));

  const run = ({ spec, loop }: { spec: ChildSpec; loop: ChildLoop }, signal: AbortSignal) => {
    const earlier = loops.filter((other) => spec.after.includes(other.spec.name));
    const later = loops.filter((other) => other.spec.after.includes(spec.name));
    const neighbours = {
      earlier: earlier.map((other) => other.loop),
      later: later.map((other) => other.loop),
    };
    return loop.run(neighbours, signal);
  };

  return {
    async run(signal) {
      const failed = new AbortController();
      const scope = AbortSignal.any([signal, failed.signal]);
      const runs = loops.map((entry) =>
        run(entry, scope).catch((error: unknown) => {
          // The others are stopped in order, as if we had been told to.
          failed.abort(error);
          throw error;
        }),
      );
      const ends = await Promise.allSettled(runs);
      const failure = ends.find((end) => end.status === "rejected");
      if (failure !== undefined) throw failure.reason;
    },
    report: () => loops.map(({ loop }) => loop.report()),
    restart: (name, reason) => loops.find(({ spec }) => spec.name === name)?.loop.restart(reason),
  };
}

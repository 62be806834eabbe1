import { SWEEP_MS, sweepEveryMinute } from "../controller/sweep.ts";
import type { Clock } from "../ports/clock.ts";
import type { Log } from "../ports/log.ts";
import type { Namespaces } from "../ports/namespaces.ts";
import { appNameFor, originOf } from "./app-name.ts";
import { type CleanDeps, cleanApp } from "./clean-app.ts";
import { requireSameCluster } from "./same-cluster.ts";

interface AppSweepDeps extends CleanDeps {
  readonly namespaces: Namespaces;
  readonly clock: Clock;
  readonly log: Log;
}

/**
 * Looks every minute for Apps of this cluster whose namespace is gone, such as one that was made
 * while its namespace went; what two looks find goes. A failed look is a line in the log.
 */
export async function sweepApps(deps: AppSweepDeps, signal: AbortSignal): Promise<void> {
  const { clock, log } = deps;
  const failure = "sweep of apps failed";
  await sweepEveryMinute({ failure, pass: appSweeper(deps), clock, log }, signal);
}

/** One look; it remembers what the last one missed. */
export function appSweeper(deps: AppSweepDeps): (signal: AbortSignal) => Promise<void> {
  const { apps, namespaces, clusterUid, clock, log } = deps;
  let missedSinceMs: ReadonlyMap<string, number> = new Map();

  return async (signal) => {
    await requireSameCluster(deps, signal);
    const all = await apps.list(signal);
    // Listed after the Apps: the namespace of each of them existed before it did.
    const known = new Set(
      (await namespaces.list(signal)).map(({ metadata }) => appNameFor(metadata, clusterUid)),
    );
    const nowMs = clock.now();
    const missed = all
      .map(({ name }) => name)
      .filter((name) => originOf(name, clusterUid) === "ours" && !known.has(name));
    missedSinceMs = new Map(missed.map((name) => [name, missedSinceMs.get(name) ?? nowMs]));

    for (const [app, sinceMs] of missedSinceMs) {
      if (nowMs - sinceMs < SWEEP_MS) continue;
      await requireSameCluster(deps, signal);
      if ((await cleanApp(deps, { app }, signal)) === "gone")
        log.info("app without a namespace removed", { app });
    }
  };
}

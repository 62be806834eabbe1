import { statSync } from "node:fs";
import { join } from "node:path";
import type { NetworkPlan } from "#core/fly/network.ts";
import { type Clock, sleep } from "#core/ports/clock.ts";
import { NETNS_DIR } from "#embedded/machines-api/network/netns.ts";

/** How often the router's namespace is looked at. */
const LOOK_MS = 1_000;

/** Where the router's namespace is pinned. */
export function routerNetnsPath({ routerNetns }: NetworkPlan): string {
  return join(NETNS_DIR, routerNetns);
}

/**
 * Calls back whenever another namespace stands behind the router's name, until `signal` aborts: what
 * was made in the old one is gone with it.
 */
export async function watchRouterNetns(
  plan: NetworkPlan,
  { clock, onNew }: { readonly clock: Clock; readonly onNew: () => void },
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    await routerNetnsChanged(plan, clock, signal);
    if (!signal.aborted) onNew();
  }
}

/** Resolves once another namespace stands behind the router's name than now, or `signal` aborts. */
export async function routerNetnsChanged(
  plan: NetworkPlan,
  clock: Clock,
  signal: AbortSignal,
): Promise<void> {
  const before = identityOf(plan);
  while (!signal.aborted && identityOf(plan) === before) {
    await sleep(clock, LOOK_MS, signal).catch(() => {});
  }
}

/** Which namespace it is; `undefined` when there is none. */
function identityOf(plan: NetworkPlan): string | undefined {
  const stat = statSync(routerNetnsPath(plan), { throwIfNoEntry: false });
  return stat && `${stat.dev}:${stat.ino}`;
}

/**
 * UDP flows that conntrack still sends to endpoints which are gone. Pure.
 *
 * A connection that is NATed stays so; TCP ends by itself, a UDP flow lasts as long as its client
 * speaks.
 */
import { isInRange } from "#core/fly/ip.ts";
import { machineIpv4Of } from "#core/fly/network.ts";
import type { Route, Target } from "#core/service/route.ts";
import { type NftPlace, nodePortAddressesOf } from "./place.ts";

export interface Flow {
  /** What the client speaks to, and who answers. */
  readonly asked: Target;
  readonly answers: Target;
}

/** Tells which flows lead to nobody's endpoint, by the routes there are now. */
export function staleFlowsBy(routes: readonly Route[], place: NftPlace): (flow: Flow) => boolean {
  const { plan, ipv4 } = place;
  const wanted = new Map<string, Set<string>>();
  const add = (asked: Target, targets: readonly Target[]): void => {
    const known = wanted.get(text(asked)) ?? new Set();
    for (const target of targets) known.add(text(target));
    wanted.set(text(asked), known);
  };
  for (const { protocol, clusterIP, port, nodePort, ...route } of routes) {
    if (protocol !== "UDP") continue;
    const targets = [...route.targets, ...route.anywhere];
    add({ address: clusterIP, port }, targets);
    if (nodePort === 0) continue;
    for (const address of nodePortAddressesOf(place)) add({ address, port: nodePort }, targets);
    const byIpv4 = targets.flatMap((target) => {
      const address = machineIpv4Of(plan.id, target.address);
      return address === undefined ? [] : [{ address, port: target.port }];
    });
    add({ address: ipv4.router, port: nodePort }, byIpv4);
  }
  const own = new Set([ipv4.router, ...nodePortAddressesOf(place)]);
  return ({ asked, answers }) => {
    if (text(asked) === text(answers)) return false;
    const targets = wanted.get(text(asked));
    if (targets !== undefined) return !targets.has(text(answers));
    return own.has(asked.address) || isInRange(asked.address, plan.serviceRange);
  };
}

function text({ address, port }: Target): string {
  return `${address} ${port}`;
}

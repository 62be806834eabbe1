import { requireSameCluster } from "../app/same-cluster.ts";
import { sweepEveryMinute } from "../controller/sweep.ts";
import { FksError } from "../errors.ts";
import type { Apps } from "../ports/apps.ts";
import type { Namespaces } from "../ports/namespaces.ts";
import { addressOf, type SettleDeps } from "./settle.ts";

export interface AddressSweepDeps extends SettleDeps {
  readonly namespaces: Namespaces;
  readonly apps: Apps;
  readonly clusterUid: string;
  /** A Service, `namespace/name`, whose addresses are to be brought in line. */
  readonly touch: (key: string) => void;
}

/**
 * Compares every minute what Apps have with what Services use, and has each difference settled: what
 * was lost on either side while nobody looked. A failed look is a line in the log.
 */
export async function sweepAddresses(deps: AddressSweepDeps, signal: AbortSignal): Promise<void> {
  const { clock, log } = deps;
  const failure = "sweep of addresses failed";
  await sweepEveryMinute(
    { failure, pass: (during) => sweepOnce(deps, during), clock, log },
    signal,
  );
}

export async function sweepOnce(deps: AddressSweepDeps, signal: AbortSignal): Promise<void> {
  const { namespaces, apps, namespaceApps, services, range, touch } = deps;
  await requireSameCluster(deps, signal);
  const there = new Set((await apps.list(signal)).map(({ name }) => name));
  const used = Map.groupBy(
    services.all().filter((service) => addressOf(service, range) !== undefined),
    ({ metadata }) => metadata.namespace,
  );

  for (const { metadata } of await namespaces.list(signal)) {
    const app = await namespaceApps.find(metadata.name, signal).catch(absent);
    const held = app !== undefined && there.has(app) ? await heldBy(deps, app, signal) : new Map();
    const mine = used.get(metadata.name) ?? [];
    const ips = new Map(mine.map((one) => [one.spec.clusterIP, one.metadata.name]));
    for (const [ip, name] of ips) {
      if (held.get(ip) !== name) touch(`${metadata.name}/${name}`);
    }
    for (const [ip, name] of held) {
      if (ips.get(ip) !== name) touch(`${metadata.name}/${name}`);
    }
  }
}

/** Names of Services by the address they have there, read afresh. */
async function heldBy(
  { withApp }: AddressSweepDeps,
  app: string,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, string>> {
  const held = await withApp(app, (addresses) => {
    addresses.forget();
    return addresses.held(signal);
  }).catch(absent);
  return new Map([...(held ?? [])].map(([ip, { service_name }]) => [ip, service_name]));
}

function absent(error: unknown): undefined {
  if (!FksError.is(error, "NotFound")) throw error;
}

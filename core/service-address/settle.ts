import type { Outcome, Reconcile } from "../controller/controller.ts";
import { FksError } from "../errors.ts";
import { isInRange } from "../fly/ip.ts";
import type { Service } from "../kube/service.ts";
import type { Log } from "../ports/log.ts";
import type { ObjectEvents } from "../ports/object-events.ts";
import type { AddressDeps } from "./address-deps.ts";
import type { AppAddresses } from "./app-addresses.ts";
import { ALLOCATOR_ANNOTATION, CONFIGURED } from "./claim.ts";
import { UNDER_WAY_MS } from "./handed.ts";

const NOT_HELD_LOOK_MS = 60_000;

export interface SettleDeps extends AddressDeps {
  /** Where addresses of Services come from. */
  readonly range: string;
  readonly events: ObjectEvents;
  readonly log: Log;
}

/**
 * Brings the addresses of one Service in line with the Service: restores one that its App lost,
 * releases what no Service of this name uses. Keys are `namespace/name`.
 */
export function serviceAddressReconciler(deps: SettleDeps): Reconcile {
  return async (key, signal) => {
    const [namespace = "", name = ""] = key.split("/");
    // What the watch told last is good enough to keep an address, not to take one away.
    const service = deps.services.get(key) ?? (await deps.services.read(namespace, name, signal));
    if (service !== undefined) deps.handed.seen(service);
    const ip = service === undefined ? undefined : addressOf(service, deps.range);
    return ip === undefined || service === undefined
      ? release(deps, key, signal)
      : keep(deps, service, ip, signal);
  };
}

/** The address a Service has of its App, or ought to have; none for the API server's own Service. */
export function addressOf({ metadata, spec }: Service, range: string): string | undefined {
  const isApiServer = metadata.namespace === "default" && metadata.name === "kubernetes";
  if (isApiServer || spec.type === "ExternalName") return undefined;
  return isInRange(spec.clusterIP, range) ? spec.clusterIP : undefined;
}

async function keep(
  deps: SettleDeps,
  service: Service,
  ip: string,
  signal: AbortSignal,
): Promise<Outcome> {
  const { namespaceApps, withApp, services, log } = deps;
  const { namespace, name, annotations } = service.metadata;
  const key = `${namespace}/${name}`;
  try {
    const app = await namespaceApps.ensure(namespace, signal);
    await withApp(app, async (addresses) => {
      if ((await addresses.held(signal)).get(ip)?.service_name !== name) {
        await restore(name, ip, addresses, signal);
        log.info("address restored", { service: key, ip });
      }
      for (const other of await namedAfter(name, addresses, signal)) {
        if (other !== ip && !deps.handed.isUnderWay(key)) await addresses.release(other, signal);
      }
    });
  } catch (error) {
    if (FksError.is(error, "NotFound")) namespaceApps.forget(namespace);
    if (!isRefusal(error)) throw error;
    const message = `${ip} is not an address of the namespace's App: ${error.message}`;
    const about = { apiVersion: "v1", kind: "Service", metadata: service.metadata };
    const event = { type: "Warning", reason: "ClusterIPNotHeld", message } as const;
    await deps.events.tell(about, event, signal);
    return { recheckInMs: NOT_HELD_LOOK_MS };
  }
  if (annotations[ALLOCATOR_ANNOTATION] !== CONFIGURED) {
    await services.annotate(service, { [ALLOCATOR_ANNOTATION]: CONFIGURED }, signal);
  }
  return {};
}

/** A Service that has an address which its App does not have keeps it: nothing may be cut off. */
async function restore(
  name: string,
  ip: string,
  addresses: AppAddresses,
  signal: AbortSignal,
): Promise<void> {
  // Only what Fly says now counts as lost.
  addresses.forget();
  if ((await addresses.held(signal)).get(ip)?.service_name === name) return;
  const given = await addresses.assign(name, ip, signal);
  if (given === ip) return;
  await addresses.release(given, signal);
  throw new FksError("Unsupported", "the platform chooses addresses itself");
}

function isRefusal(error: unknown): error is FksError {
  return (
    FksError.is(error, "Conflict") ||
    FksError.is(error, "InvalidInput") ||
    FksError.is(error, "Unsupported")
  );
}

/** No Service of this name has an address: what was given for it goes, once none can appear. */
async function release(deps: SettleDeps, key: string, signal: AbortSignal): Promise<Outcome> {
  const { namespaceApps, withApp, services, handed, log } = deps;
  const [namespace = "", name = ""] = key.split("/");
  try {
    const app = await namespaceApps.find(namespace, signal);
    if (app === undefined) return {};
    return await withApp(app, async (addresses) => {
      const left = await namedAfter(name, addresses, signal);
      if (left.length === 0) return {};
      if (handed.isUnderWay(key)) return { recheckInMs: UNDER_WAY_MS };
      // Asked again in turn: nobody can have taken one of them in between.
      const now = await services.read(namespace, name, signal);
      if (now !== undefined && addressOf(now, deps.range) !== undefined) return { recheckInMs: 0 };
      for (const ip of left) {
        await addresses.release(ip, signal);
        log.info("address released", { service: key, ip });
      }
      handed.forget(key);
      return {};
    });
  } catch (error) {
    // Namespace or App are gone, and their addresses with them.
    if (FksError.is(error, "NotFound")) return {};
    throw error;
  }
}

async function namedAfter(
  name: string,
  addresses: AppAddresses,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const held = await addresses.held(signal);
  return [...held.values()].filter(({ service_name }) => service_name === name).map(({ ip }) => ip);
}

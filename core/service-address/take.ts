import { FksError } from "../errors.ts";
import type { AddressDeps } from "./address-deps.ts";
import type { AppAddresses } from "./app-addresses.ts";

/** How many addresses that the API server has given to somebody else are passed over at a time. */
const TRIES_MAX = 8;

export interface TakeRequest {
  readonly namespace: string;
  readonly name: string;
  /** The very address that is wanted, as RFC 5952 writes it. */
  readonly wanted?: string;
}

/**
 * An address of the namespace's App for a Service that is about to be there. One that was given
 * before for the same name is given again: a request that failed afterwards, or comes twice, takes
 * no more than one. Throws FksErrors whose messages are for the caller.
 */
export async function takeAddress(
  deps: AddressDeps,
  request: TakeRequest,
  signal: AbortSignal,
): Promise<string> {
  const { namespaceApps, withApp, handed } = deps;
  const { namespace, name, wanted } = request;
  const app = await namespaceApps.ensure(namespace, signal);
  try {
    return await withApp(app, async (addresses) => {
      const ip =
        wanted === undefined
          ? await any(deps, request, addresses, signal)
          : await theOne(name, wanted, addresses, signal);
      handed.give(`${namespace}/${name}`, ip);
      return ip;
    });
  } catch (error) {
    if (FksError.is(error, "NotFound")) namespaceApps.forget(namespace);
    throw error;
  }
}

async function theOne(
  name: string,
  wanted: string,
  addresses: AppAddresses,
  signal: AbortSignal,
): Promise<string> {
  if ((await addresses.held(signal)).get(wanted)?.service_name === name) return wanted;
  const ip = await addresses.assign(name, wanted, signal);
  if (ip === wanted) return ip;
  await addresses.release(ip, signal);
  throw new FksError(
    "Unsupported",
    `the platform chooses addresses itself: leave spec.clusterIP empty instead of ${wanted}`,
  );
}

async function any(
  { services }: AddressDeps,
  { namespace, name }: TakeRequest,
  addresses: AppAddresses,
  signal: AbortSignal,
): Promise<string> {
  /** Given by the API server itself, to a Service that came while we were away. */
  const isElsewhere = (ip: string): boolean =>
    services.all().some(({ metadata, spec }) => {
      const isSame = metadata.namespace === namespace && metadata.name === name;
      return spec.clusterIP === ip && !isSame;
    });

  for (const { ip, service_name } of (await addresses.held(signal)).values()) {
    if (service_name === name && !isElsewhere(ip)) return ip;
  }
  const passedOver: string[] = [];
  try {
    for (let tries = 0; tries < TRIES_MAX; tries += 1) {
      const ip = await addresses.assign(name, undefined, signal);
      if (!isElsewhere(ip)) return ip;
      passedOver.push(ip);
    }
  } finally {
    for (const ip of passedOver) await addresses.release(ip, signal);
  }
  throw new FksError("Unavailable", `${TRIES_MAX} addresses in a row are other Services' already`);
}

import { z } from "zod";
import { flapsApps } from "#adapters/flaps/apps.ts";
import { callBudget } from "#adapters/flaps/budget.ts";
import { flapsMachines } from "#adapters/flaps/machines.ts";
import { readTextIfThere } from "#adapters/host/files.ts";
import { machineProtocol } from "#adapters/machine-protocol/protocol.ts";
import { FksError, messageOf } from "#core/errors.ts";
import type { Apps } from "#core/ports/apps.ts";
import type { MachineProtocol } from "#core/ports/machine-protocol.ts";
import type { Machines } from "#core/ports/machines.ts";
import type { KubeletMetrics } from "./kubelet-metrics.ts";
import type { Role } from "./role.ts";
import { readToken } from "./tokens.ts";

/** Both ways to Machines: the public API, and the Machine protocol where it is served. */
export interface MachineAccess {
  readonly machines: Machines;
  readonly apps: Apps;
  readonly protocol?: MachineProtocol;
}

/** Told whether the Machines API answers. */
export interface Reachability {
  reached(): void;
  lost(message: string): void;
}

const addressSchema = z.object({ url: z.string() });

/**
 * The Machines API the configuration names. Throws `Unavailable` while the embedded one has not
 * written down where it listens, `InvalidInput` without a token for Fly.
 */
export async function machineAccess(
  { config, paths, clock, log }: Role,
  metrics: KubeletMetrics,
  reachability: Reachability,
): Promise<MachineAccess> {
  const budget = metrics.budget(callBudget({ clock, enabled: config.limits === "fly" }));
  const isFly = config.machines === "fly";
  const baseUrl = isFly ? config.flapsBaseUrl : await embeddedUrl(paths.machinesApiFile);
  const token = isFly ? config.flyApiToken?.reveal() : await readToken(paths.machinesApiToken);
  if (token === undefined) {
    throw new FksError("InvalidInput", "--machines fly needs a token: set FLY_API_TOKEN");
  }
  const flaps = { baseUrl, token, budget, clock, log };
  const machines = metrics.machines(flapsMachines(flaps));
  const apps = flapsApps({ ...flaps, orgSlug: config.org ?? "personal" });
  if (isFly) return { machines, apps: watchedApps(apps, reachability) };

  const protocolToken = await readToken(paths.machineProtocolToken);
  const protocol = machineProtocol({ baseUrl, token: protocolToken, clock });
  return { machines, apps, protocol: watchedProtocol(protocol, reachability) };
}

/** Where the embedded Machines API listens. Throws `Unavailable` while it does not. */
export async function embeddedUrl(path: string): Promise<string> {
  const text = await readTextIfThere(path);
  const address = text === undefined ? undefined : addressSchema.safeParse(JSON.parse(text)).data;
  if (address === undefined) throw new FksError("Unavailable", `${path} is not there yet`);
  return address.url;
}

/** The same protocol; the change stream, pings included, tells whether the other side is there. */
function watchedProtocol(inner: MachineProtocol, reachability: Reachability): MachineProtocol {
  return {
    ...inner,
    async *watch(signal) {
      try {
        for await (const change of inner.watch(signal)) {
          yield change;
          // Told after it was taken in: then `synced` has made the view complete.
          reachability.reached();
        }
      } catch (error) {
        reachability.lost(sentenceOf(error));
        throw error;
      }
    },
  };
}

/** The same Apps; where there is no change stream their list is asked for every ten seconds. */
function watchedApps(inner: Apps, reachability: Reachability): Apps {
  return {
    ...inner,
    async list(signal) {
      try {
        const apps = await inner.list(signal);
        reachability.reached();
        return apps;
      } catch (error) {
        reachability.lost(sentenceOf(error));
        throw error;
      }
    },
  };
}

function sentenceOf(error: unknown): string {
  return `the Machines API cannot be reached: ${messageOf(error)}`;
}

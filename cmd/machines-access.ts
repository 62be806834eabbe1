import { z } from "zod";
import { flapsAddresses } from "#adapters/flaps/addresses.ts";
import { flapsApps } from "#adapters/flaps/apps.ts";
import { type CallBudget, callBudget } from "#adapters/flaps/budget.ts";
import { flapsMachines } from "#adapters/flaps/machines.ts";
import { flapsVolumes } from "#adapters/flaps/volumes.ts";
import { readTextIfThere } from "#adapters/host/files.ts";
import { FksError } from "#core/errors.ts";
import type { Addresses } from "#core/ports/addresses.ts";
import type { Apps } from "#core/ports/apps.ts";
import type { Clock } from "#core/ports/clock.ts";
import type { Log } from "#core/ports/log.ts";
import type { Machines } from "#core/ports/machines.ts";
import type { Volumes } from "#core/ports/volumes.ts";
import type { Config } from "./config.ts";
import type { DataPaths } from "./paths.ts";
import { readToken } from "./tokens.ts";

/** The Machines API that the configuration names. */
export interface MachinesAccess {
  readonly baseUrl: string;
  readonly machines: Machines;
  readonly apps: Apps;
  readonly addresses: Addresses;
  readonly volumes: Volumes;
}

interface AccessOptions {
  readonly config: Config;
  readonly paths: DataPaths;
  readonly clock: Clock;
  readonly log: Log;
}

/**
 * Everything calls through one budget, which `counted` may wrap. Throws `Unavailable` while the
 * embedded API has not written down where it listens, `InvalidInput` without a token for Fly.
 */
export async function machinesAccess(
  { config, paths, clock, log }: AccessOptions,
  counted: (budget: CallBudget) => CallBudget = (budget) => budget,
): Promise<MachinesAccess> {
  const isFly = config.machines === "fly";
  const baseUrl = isFly ? config.flapsBaseUrl : await embeddedUrl(paths.machinesApiFile);
  const token = isFly ? config.flyApiToken?.reveal() : await readToken(paths.machinesApiToken);
  if (token === undefined) {
    throw new FksError("InvalidInput", "--machines fly needs a token: set FLY_API_TOKEN");
  }
  const budget = counted(callBudget({ clock, enabled: config.limits === "fly" }));
  const flaps = { baseUrl, token, budget, clock, log };
  return {
    baseUrl,
    machines: flapsMachines(flaps),
    apps: flapsApps({ ...flaps, orgSlug: config.org ?? "personal" }),
    addresses: flapsAddresses(flaps),
    volumes: flapsVolumes(flaps),
  };
}

/** Where the embedded Machines API listens. Throws `Unavailable` while it does not. */
export async function embeddedUrl(path: string): Promise<string> {
  const url = await lastEmbeddedUrl(path);
  if (url === undefined) throw new FksError("Unavailable", `${path} is not there yet`);
  return url;
}

const addressSchema = z.object({ url: z.url() });

/** Where it listened last; undefined when it never did. */
export async function lastEmbeddedUrl(path: string): Promise<string | undefined> {
  const text = await readTextIfThere(path);
  return text === undefined ? undefined : addressSchema.safeParse(JSON.parse(text)).data?.url;
}

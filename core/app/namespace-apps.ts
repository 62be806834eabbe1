import { shortLived } from "../controller/short-lived.ts";
import { FksError } from "../errors.ts";
import type { Namespace } from "../kube/namespace.ts";
import type { Apps } from "../ports/apps.ts";
import type { Clock } from "../ports/clock.ts";
import type { Machines } from "../ports/machines.ts";
import type { Namespaces } from "../ports/namespaces.ts";
import { requireAdoptable } from "./adoption.ts";
import { APP_FINALIZER, APP_LABEL } from "./app-name.ts";
import { appChoiceFor, isClaimed } from "./namespace-app.ts";

/** How long a namespace is taken to be the same one. */
const FRESH_MS = 60_000;

/** The App of each namespace. */
export interface NamespaceApps {
  /**
   * Its name; the App is there when it resolves, and the namespace has its label and finalizer.
   * Throws `InvalidInput` when the namespace's label cannot be followed, `NotFound` and `Conflict`
   * when the namespace is gone or going.
   */
  ensure(namespace: string, signal: AbortSignal): Promise<string>;
  /**
   * Its name without making or writing anything; undefined when the namespace's label cannot be
   * followed. Throws `NotFound`.
   */
  find(namespace: string, signal: AbortSignal): Promise<string | undefined>;
  /** The App or the namespace proved to be another one: ask again next time. */
  forget(namespace: string): void;
}

export interface NamespaceAppsDeps {
  readonly namespaces: Namespaces;
  readonly apps: Apps;
  readonly machines: Machines;
  readonly clusterUid: string;
  readonly clock: Clock;
}

export function namespaceApps(deps: NamespaceAppsDeps): NamespaceApps {
  const known = shortLived<string>(deps.clock, () => FRESH_MS);

  async function ensure(name: string, signal: AbortSignal): Promise<string> {
    const namespace = await deps.namespaces.read(name, signal);
    const { app, isAdopted } = await claimFor(deps, namespace, signal);
    if (!isAdopted) await deps.apps.create(app, signal);
    return app;
  }

  return {
    ensure: (name, signal) => known.get(name, () => ensure(name, signal)),
    async find(name, signal) {
      const choice = appChoiceFor(await deps.namespaces.read(name, signal), deps.clusterUid);
      return "app" in choice ? choice.app : undefined;
    },
    forget: (name) => known.forget(name),
  };
}

/**
 * The App that the namespace is to have, written on it: first the label and the finalizer, then the
 * App, so that no App is without a namespace that will clean it up. Throws as `ensure` does.
 */
export async function claimFor(
  deps: Omit<NamespaceAppsDeps, "clock">,
  namespace: Namespace,
  signal: AbortSignal,
): Promise<{ readonly app: string; readonly isAdopted: boolean }> {
  const choice = appChoiceFor(namespace, deps.clusterUid);
  if ("refused" in choice) throw new FksError("InvalidInput", choice.refused);
  const { app, isAdopted } = choice;
  if (isAdopted) await requireAdoptable(deps, namespace, app, signal);
  if (isClaimed(namespace, app)) return choice;

  const { name, deletionTimestamp } = namespace.metadata;
  if (deletionTimestamp !== undefined) {
    throw new FksError("Conflict", `namespace "${name}" is being deleted`);
  }
  const change = { labels: { [APP_LABEL]: app }, finalizer: APP_FINALIZER };
  await deps.namespaces.claim(namespace, change, signal);
  return choice;
}

import { shortLived } from "../controller/short-lived.ts";
import type { Apps } from "../ports/apps.ts";
import type { Clock } from "../ports/clock.ts";
import type { ClusterObjects } from "../ports/cluster.ts";
import { APP_LABEL, appNameFor } from "./app-name.ts";

/** How long a namespace is taken to be the same one. */
const FRESH_MS = 60_000;

/** The App of each namespace. */
export interface NamespaceApps {
  /** Its name; the App and the namespace's label are there when it resolves. */
  ensure(namespace: string, signal: AbortSignal): Promise<string>;
  /** The App or the namespace proved to be another one: ask again next time. */
  forget(namespace: string): void;
}

interface NamespaceAppsDeps {
  readonly cluster: ClusterObjects;
  readonly apps: Apps;
  readonly clusterUid: string;
  readonly clock: Clock;
}

export function namespaceApps(deps: NamespaceAppsDeps): NamespaceApps {
  const { cluster, apps, clusterUid, clock } = deps;
  const known = shortLived<string>(clock, () => FRESH_MS);

  async function ensure(name: string, signal: AbortSignal): Promise<string> {
    const namespace = await cluster.namespace(name, signal);
    const app = appNameFor(namespace, clusterUid);
    if (namespace.labels[APP_LABEL] !== app) {
      await cluster.labelNamespace(name, { [APP_LABEL]: app }, signal);
    }
    await apps.create(app, signal);
    return app;
  }

  return {
    ensure: (name, signal) => known.get(name, () => ensure(name, signal)),
    forget: (name) => known.forget(name),
  };
}

import type { Outcome, Reconcile } from "../controller/controller.ts";
import { FksError } from "../errors.ts";
import type { Namespace } from "../kube/namespace.ts";
import type { Log } from "../ports/log.ts";
import type { ObjectEvents } from "../ports/object-events.ts";
import { APP_FINALIZER, appNameFor } from "./app-name.ts";
import { type CleanDeps, cleanApp, type LeftApp } from "./clean-app.ts";
import { appChoiceFor } from "./namespace-app.ts";
import { claimFor, type NamespaceAppsDeps } from "./namespace-apps.ts";
import { requireSameCluster } from "./same-cluster.ts";

/** How soon Machines that are ending are looked at again. */
const ENDING_MS = 500;
/** The API server tells when a namespace is empty; this is for the case that nobody heard it. */
const EMPTY_LOOK_MS = 10_000;
/** An App that is to be adopted may appear, or be freed, without a word. */
const REFUSED_LOOK_MS = 30_000;

export interface NamespaceReconcilerDeps extends CleanDeps, Omit<NamespaceAppsDeps, "clock"> {
  readonly events: ObjectEvents;
  readonly log: Log;
}

/**
 * Gives every namespace its label and finalizer, and takes away what a deleted one has on Fly once
 * the API server has emptied it: no Pod is left then. Keys are names of namespaces.
 */
export function namespaceReconciler(deps: NamespaceReconcilerDeps): Reconcile {
  const { namespaces } = deps;

  return async (name, signal) => {
    let namespace: Namespace;
    try {
      namespace = await namespaces.read(name, signal);
    } catch (error) {
      if (FksError.is(error, "NotFound")) return {};
      throw error;
    }
    const isGoing = namespace.metadata.deletionTimestamp !== undefined;
    return isGoing ? end(deps, namespace, signal) : claim(deps, namespace, signal);
  };
}

async function claim(
  deps: NamespaceReconcilerDeps,
  namespace: Namespace,
  signal: AbortSignal,
): Promise<Outcome> {
  try {
    await claimFor(deps, namespace, signal);
    return {};
  } catch (error) {
    if (!FksError.is(error, "InvalidInput")) throw error;
    await warn(deps, namespace, "AppRefused", error.message, signal);
    return { recheckInMs: REFUSED_LOOK_MS };
  }
}

async function end(
  deps: NamespaceReconcilerDeps,
  namespace: Namespace,
  signal: AbortSignal,
): Promise<Outcome> {
  const { metadata, spec } = namespace;
  if (!metadata.finalizers.includes(APP_FINALIZER)) return {};
  if (spec.finalizers.length > 0) return { recheckInMs: EMPTY_LOOK_MS };

  await requireSameCluster(deps, signal);
  try {
    for (const left of appsOf(namespace, deps.clusterUid)) {
      const cleaned = await cleanApp(deps, left, signal);
      if (cleaned === "ending") return { recheckInMs: ENDING_MS };
      if (cleaned === "kept") {
        const message = `App ${left.app} stays for the volumes in it that are to be kept`;
        await warn(deps, namespace, "AppKept", message, signal);
      }
    }
  } catch (error) {
    if (!(error instanceof FksError)) throw error;
    await warn(deps, namespace, "AppNotCleaned", error.message, signal);
    throw error;
  }
  await deps.namespaces.letGo(namespace, APP_FINALIZER, signal);
  deps.log.info("namespace cleaned up", { namespace: metadata.name, uid: metadata.uid });
  return {};
}

/** Its own App, which may be there from before a label named another one, and that other one. */
function appsOf(namespace: Namespace, clusterUid: string): readonly LeftApp[] {
  const { metadata } = namespace;
  const own = { app: appNameFor(metadata, clusterUid) };
  const choice = appChoiceFor(namespace, clusterUid);
  const isAdopted = "app" in choice && choice.isAdopted;
  return isAdopted ? [{ app: choice.app, adoptedBy: metadata.name }, own] : [own];
}

function warn(
  { events }: NamespaceReconcilerDeps,
  { metadata }: Namespace,
  reason: string,
  message: string,
  signal: AbortSignal,
): Promise<void> {
  const about = { apiVersion: "v1", kind: "Namespace", metadata };
  return events.tell(about, { type: "Warning", reason, message }, signal);
}

import { FksError } from "../errors.ts";
import type { Namespace } from "../kube/namespace.ts";
import { stampsOf } from "../pod/identity.ts";
import type { Apps } from "../ports/apps.ts";
import type { Machines } from "../ports/machines.ts";
import type { Namespaces } from "../ports/namespaces.ts";
import { APP_LABEL } from "./app-name.ts";
import { refusal } from "./namespace-app.ts";

interface AdoptionDeps {
  readonly namespaces: Namespaces;
  readonly apps: Apps;
  readonly machines: Machines;
  readonly clusterUid: string;
}

/**
 * Makes sure that the App a label names can be this namespace's: it is there, it is our
 * organisation's, no other cluster has Machines in it and no other namespace was there first.
 * Throws `InvalidInput` with one sentence when it cannot.
 */
export async function requireAdoptable(
  deps: AdoptionDeps,
  namespace: Namespace,
  app: string,
  signal: AbortSignal,
): Promise<void> {
  const why = await objection(deps, namespace, app, signal);
  if (why === undefined) return;
  throw new FksError("InvalidInput", refusal(namespace.metadata.name, app, why));
}

async function objection(
  { namespaces, apps, machines, clusterUid }: AdoptionDeps,
  { metadata }: Namespace,
  app: string,
  signal: AbortSignal,
): Promise<string | undefined> {
  try {
    await apps.get(app, signal);
  } catch (error) {
    if (FksError.is(error, "NotFound")) return "does not exist: create it, or remove the label";
    if (FksError.is(error, "Forbidden")) return "is of another organisation";
    throw error;
  }
  const rivals = (await namespaces.list(signal)).filter(
    (other) => other.metadata.labels[APP_LABEL] === app && other.metadata.uid !== metadata.uid,
  );
  const first = rivals.find((rival) => isOlder(rival.metadata, metadata));
  if (first !== undefined) return `is namespace "${first.metadata.name}"'s`;

  for (const machine of await machines.list(app, {}, signal)) {
    const stamps = stampsOf(machine);
    if (stamps === undefined) continue;
    if (stamps.fks_cluster !== clusterUid) return "belongs to another cluster";
    if (stamps.fks_namespace !== metadata.name) {
      return `has Machines of namespace "${stamps.fks_namespace}"`;
    }
  }
  return undefined;
}

type Aged = Pick<Namespace["metadata"], "creationTimestamp" | "uid">;

/** Of two that name the same App, the one that was made first has it. */
function isOlder(one: Aged, other: Aged): boolean {
  const [a, b] = [one.creationTimestamp ?? "", other.creationTimestamp ?? ""];
  return a === b ? one.uid < other.uid : a < b;
}

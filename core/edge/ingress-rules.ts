import type { Ingress, IngressBackend } from "../kube/ingress.ts";

/** Who answers a request, and whose Service that is. */
export interface IngressTarget {
  readonly namespace: string;
  readonly ingress: string;
  readonly backend: IngressBackend;
}

/**
 * What the rules of all `ingresses` together say about requests. Pure.
 *
 * The most exact host counts, then the longest path, then `Exact` before `Prefix`, then the older
 * Ingress; where no path of the host matches, a default backend. ImplementationSpecific is Prefix.
 * Source: k8s.io/api/networking/v1, `IngressRule` and `HTTPIngressPath`.
 */
export function ingressRules(
  ingresses: readonly Ingress[],
): (host: string, path: string) => IngressTarget | undefined {
  const byHost = new Map<string, Entry[]>();
  const defaults: IngressTarget[] = [];
  for (const { metadata, spec } of ingresses.toSorted(byAge)) {
    const from = { namespace: metadata.namespace, ingress: metadata.name };
    if (spec.defaultBackend !== undefined) {
      defaults.push({ ...from, backend: spec.defaultBackend });
    }
    for (const { host, paths } of spec.rules) {
      const entries = byHost.get(host.toLowerCase()) ?? [];
      for (const { path, pathType, backend } of paths) {
        entries.push({ path, isExact: pathType === "Exact", target: { ...from, backend } });
      }
      byHost.set(host.toLowerCase(), entries);
    }
  }
  for (const entries of byHost.values()) entries.sort(byPrecedence);

  return (host, path) => {
    const entries = hostsFor(host.toLowerCase())
      .map((name) => byHost.get(name))
      .find((found) => found !== undefined);
    return entries?.find((entry) => isMatch(entry, path))?.target ?? defaults[0];
  };
}

interface Entry {
  readonly path: string;
  readonly isExact: boolean;
  readonly target: IngressTarget;
}

/** The hosts of rules that a name matches, the most exact first. */
function hostsFor(host: string): readonly string[] {
  const dot = host.indexOf(".");
  // A wildcard stands for one label, and for no empty one.
  return dot > 0 ? [host, `*${host.slice(dot)}`, ""] : [host, ""];
}

function isMatch({ path: wanted, isExact }: Entry, path: string): boolean {
  if (isExact) return path === wanted;
  const stem = stemOf(wanted);
  return path === stem || path.startsWith(`${stem}/`);
}

/** Without the slash that ends it, which means nothing to a Prefix. */
function stemOf(path: string): string {
  return path.endsWith("/") ? path.slice(0, -1) : path;
}

/** Sorting keeps the older first where all else is the same. */
function byPrecedence(a: Entry, b: Entry): number {
  return b.path.length - a.path.length || Number(b.isExact) - Number(a.isExact);
}

function byAge({ metadata: a }: Ingress, { metadata: b }: Ingress): number {
  const [left, right] = [a, b].map(
    ({ creationTimestamp, namespace, name }) => `${creationTimestamp} ${namespace}/${name}`,
  );
  if (left === right) return 0;
  return (left ?? "") < (right ?? "") ? -1 : 1;
}

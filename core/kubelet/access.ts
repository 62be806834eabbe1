import type { Identity, NodeAccess } from "../ports/reviews.ts";

/** What a caller must be allowed on the Node: one of the subresources is enough, tried in order. */
export interface WantedAccess {
  readonly verb: NodeAccess["verb"];
  readonly subresources: readonly string[];
}

/**
 * The subresources of `nodes` behind each path. Fine-grained ones come before `proxy`, which
 * covers everything without a row. Source: the kubelet's own table (KubeletFineGrainedAuthz).
 */
const SUBRESOURCES: readonly (readonly [path: string, subresources: readonly string[]])[] = [
  ["/pods", ["pods", "proxy"]],
  ["/runningpods", ["pods", "proxy"]],
  ["/healthz", ["healthz", "proxy"]],
  ["/configz", ["configz", "proxy"]],
  ["/stats", ["stats"]],
  ["/metrics", ["metrics"]],
  ["/logs", ["log"]],
  ["/checkpoint", ["checkpoint"]],
];

/** These run something or open a connection: reading rights must never be enough, whatever the method. */
const EXEC_LIKE = ["/exec", "/attach", "/run", "/portForward"] as const;

const VERBS: Readonly<Record<string, NodeAccess["verb"]>> = {
  GET: "get",
  HEAD: "get",
  POST: "create",
  PUT: "update",
  PATCH: "patch",
  DELETE: "delete",
};

/** What `method` on `path` needs; `undefined` for a method that stands for no verb. Pure. */
export function accessFor(method: string, path: string): WantedAccess | undefined {
  if (EXEC_LIKE.some((prefix) => isBelow(prefix, path))) {
    return { verb: "create", subresources: ["proxy"] };
  }
  const verb = VERBS[method];
  const row = SUBRESOURCES.find(([prefix]) => isBelow(prefix, path));
  return verb && { verb, subresources: row?.[1] ?? ["proxy"] };
}

/** What a refused caller reads, as the kubelet words it. */
export function forbiddenText(identity: Identity, access: WantedAccess): string {
  const subresources = access.subresources.join(" ");
  return `Forbidden (user=${identity.user}, verb=${access.verb}, resource=nodes, subresource(s)=[${subresources}])\n`;
}

function isBelow(prefix: string, path: string): boolean {
  return path === prefix || path.startsWith(`${prefix}/`);
}

import type { Access } from "../ports/reviews.ts";
import {
  METRICS_API_GROUP,
  METRICS_DISCOVERY,
  METRICS_GROUP,
  METRICS_RESOURCES,
  METRICS_VERSION,
} from "./metrics-objects.ts";

/** A request to the metrics API, and what its caller must be allowed. */
export type MetricsRoute =
  | ({ readonly to: "pods" | "nodes"; readonly access: Access } & MetricsQuery)
  | {
      readonly to: "document";
      readonly body: object;
      /** Absent: plain JSON. */
      readonly mediaType?: string;
      readonly access: Access;
    }
  /** Asked by probes, of whom nothing is known. */
  | { readonly to: "health" }
  | { readonly to: "nowhere"; readonly status: 404 | 405 | 406; readonly access: Access };

export interface MetricsQuery {
  /** Absent: of all namespaces. */
  readonly namespace?: string;
  /** Absent: a list. */
  readonly name?: string;
  readonly labelSelector: string;
  readonly fieldSelector: string;
}

const ROOT = `/apis/${METRICS_GROUP}/${METRICS_VERSION}`;
const HEALTH = ["/healthz", "/livez", "/readyz"];

/** So that the API server finds what it looks for: the kinds are nobody's to create or explain. */
const OPENAPI_INFO = { title: METRICS_GROUP, version: METRICS_VERSION };

const DOCUMENTS: Readonly<Record<string, object>> = {
  "/apis": { kind: "APIGroupList", apiVersion: "v1", groups: [METRICS_API_GROUP] },
  [`/apis/${METRICS_GROUP}`]: METRICS_API_GROUP,
  [ROOT]: METRICS_RESOURCES,
  "/openapi/v2": { swagger: "2.0", info: OPENAPI_INFO, paths: {} },
  "/openapi/v3": { paths: {} },
};

/** How the API server asks for all groups, versions and resources at once. */
const AGGREGATED = "as=APIGroupDiscoveryList";
const AGGREGATED_V2 = `application/json;g=apidiscovery.k8s.io;v=v2;${AGGREGATED}`;

/** Reads method, URL and the header Accept. Total. */
export function metricsRouteFor(method: string, url: URL, accept: string): MetricsRoute {
  const path = url.pathname.length > 1 ? url.pathname.replace(/\/$/, "") : url.pathname;
  if (HEALTH.includes(path)) return { to: "health" };
  const access: Access = { path, verb: method.toLowerCase() };
  const isRead = method === "GET";
  if (path === "/apis" && isRead && accept.includes(AGGREGATED)) {
    return accept.replaceAll(" ", "").includes(AGGREGATED_V2)
      ? { to: "document", body: METRICS_DISCOVERY, mediaType: AGGREGATED_V2, access }
      : { to: "nowhere", status: 406, access };
  }
  const document = Object.hasOwn(DOCUMENTS, path) ? DOCUMENTS[path] : undefined;
  if (document !== undefined) {
    return isRead
      ? { to: "document", body: document, access }
      : { to: "nowhere", status: 405, access };
  }

  const wanted = path.startsWith(`${ROOT}/`) ? wantedIn(path.slice(ROOT.length + 1)) : undefined;
  if (wanted === undefined) return { to: "nowhere", status: 404, access };
  const { searchParams: query } = url;
  const isWatch = ["1", "true"].includes(query.get("watch") ?? "");
  if (!isRead || isWatch) return { to: "nowhere", status: 405, access };
  const { resource, ...where } = wanted;
  return {
    to: resource,
    ...where,
    labelSelector: query.get("labelSelector") ?? "",
    fieldSelector: query.get("fieldSelector") ?? "",
    access: {
      verb: wanted.name === undefined ? "list" : "get",
      group: METRICS_GROUP,
      version: METRICS_VERSION,
      resource,
      ...where,
    },
  };
}

interface Wanted {
  readonly resource: "pods" | "nodes";
  readonly namespace?: string;
  readonly name?: string;
}

/** `nodes[/{name}]`, `pods`, `namespaces/{ns}/pods[/{name}]`. */
function wantedIn(rest: string): Wanted | undefined {
  const parts = rest.split("/").map(decoded);
  if (parts.includes(undefined) || parts.includes("")) return undefined;
  const [first, second, third, fourth, ...more] = parts;
  if (first === "nodes" && third === undefined) {
    return { resource: "nodes", ...(second !== undefined && { name: second }) };
  }
  if (first === "pods" && second === undefined) return { resource: "pods" };
  const isNamespaced = first === "namespaces" && third === "pods" && more.length === 0;
  if (!isNamespaced || second === undefined) return undefined;
  return { resource: "pods", namespace: second, ...(fourth !== undefined && { name: fourth }) };
}

function decoded(segment: string): string | undefined {
  try {
    return decodeURIComponent(segment);
  } catch {
    return undefined;
  }
}

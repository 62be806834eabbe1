import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { createServer as createTlsServer } from "node:tls";
import { FksError, messageOf } from "#core/errors.ts";
import type { Clock } from "#core/ports/clock.ts";
import type { Log } from "#core/ports/log.ts";
import type { Access, AccessReviews, Identity, RequestHeaderRules } from "#core/ports/reviews.ts";
import { metricsRouteFor } from "#core/usage/metrics-routes.ts";
import type { NodeUsage } from "#core/usage/usage.ts";
import { identify } from "./identity.ts";
import { type NodeLabels, sendNodes, sendPods } from "./objects.ts";
import { sendJson, sendStatus, sendText } from "./respond.ts";

const HANDSHAKE_TIMEOUT_MS = 10_000;
const IDLE_TIMEOUT_MS = 120_000;
const REVIEW_TIMEOUT_MS = 10_000;
/** The API server keeps a few; everybody else is turned away beyond this. */
const CONNECTIONS_MAX = 512;

export interface MetricsApiDeps {
  readonly address: string;
  /** 0 takes a free one. */
  readonly port: number;
  /** PEM texts of what callers see. */
  readonly tls: () => { readonly cert: string; readonly key: string };
  readonly onTlsChange?: (changed: () => void) => void;
  /** PEM: who signs the certificates of callers that come by themselves. */
  readonly clientCa: string;
  readonly requestHeader: RequestHeaderRules;
  readonly reviews: AccessReviews;
  readonly usages: () => Promise<readonly NodeUsage[]>;
  readonly nodeLabels: NodeLabels;
  readonly log: Log;
  readonly clock: Clock;
}

export interface MetricsApi {
  readonly port: number;
  /** Settles when everything is closed after `signal` aborted. */
  readonly closed: Promise<void>;
}

/**
 * `metrics.k8s.io/v1beta1`, which the API server hands on to us, until `signal` aborts. Nobody is
 * answered before it is known who they are and what they may.
 * Resolves once it listens; rejects with the system's error when the address cannot be had.
 */
export async function serveMetricsApi(
  deps: MetricsApiDeps,
  signal: AbortSignal,
): Promise<MetricsApi> {
  const http = httpServer(deps, signal);
  const authorities = [deps.clientCa, deps.requestHeader.ca].filter((pem) => pem !== "");
  // TLS here and HTTP behind it: only so is the caller's certificate to be had.
  const tls = createTlsServer(
    {
      ...deps.tls(),
      ca: authorities,
      requestCert: true,
      // Callers with a bearer token have no certificate; `identify` judges both.
      rejectUnauthorized: false,
      ALPNProtocols: ["http/1.1"],
      handshakeTimeout: HANDSHAKE_TIMEOUT_MS,
    },
    (socket) => {
      socket.on("error", () => socket.destroy());
      socket.setTimeout(IDLE_TIMEOUT_MS, () => socket.destroy());
      http.emit("connection", socket);
    },
  );
  tls.maxConnections = CONNECTIONS_MAX;
  const open = new Set<{ destroy(): unknown }>();
  tls.on("connection", (socket) => {
    open.add(socket);
    socket.once("close", () => open.delete(socket));
  });
  tls.on("tlsClientError", (_error, socket) => socket.destroy());
  deps.onTlsChange?.(() => tls.setSecureContext({ ...deps.tls(), ca: authorities }));

  const { promise: closed, resolve: setClosed } = Promise.withResolvers<void>();
  const stop = (): void => {
    tls.close(() => setClosed());
    for (const socket of open) socket.destroy();
  };
  await new Promise<void>((resolve, reject) => {
    tls.on("error", reject);
    tls.listen(deps.port, deps.address, () => resolve());
  });
  signal.addEventListener("abort", stop, { once: true });
  if (signal.aborted) stop();
  const bound = tls.address();
  return { port: typeof bound === "object" && bound !== null ? bound.port : deps.port, closed };
}

function httpServer(deps: MetricsApiDeps, signal: AbortSignal): Server {
  return createServer((request, response) => {
    handle(deps, request, response, signal).catch((err: unknown) => {
      const isExpected = err instanceof FksError;
      if (!isExpected && !response.destroyed && !signal.aborted) {
        deps.log.error("request for metrics failed", { err });
      }
      if (response.headersSent) response.destroy();
      else if (!isExpected) sendStatus(response, 500, "Internal error occurred");
      else sendStatus(response, statusOf(err), messageOf(err));
    });
  });
}

async function handle(
  deps: MetricsApiDeps,
  request: IncomingMessage,
  response: ServerResponse,
  signal: AbortSignal,
): Promise<void> {
  const url = URL.parse(request.url ?? "/", "https://metrics");
  if (url === null) return sendStatus(response, 400, "the request has no URL");
  const route = metricsRouteFor(request.method ?? "", url, request.headers.accept ?? "");
  if (route.to === "health") return sendText(response, "ok");

  const until = AbortSignal.any([signal, deps.clock.timeout(REVIEW_TIMEOUT_MS)]);
  const identity = await identify(deps, request, deps.clock.now(), until);
  if (identity === undefined) return sendStatus(response, 401, "Unauthorized");
  if (!(await deps.reviews.mayAccess(identity, route.access, until))) {
    return sendStatus(response, 403, forbiddenText(identity, route.access));
  }
  switch (route.to) {
    case "document":
      return sendJson(response, route.body, route.mediaType);
    case "nowhere":
      return sendStatus(response, route.status, NOWHERE[route.status]);
    case "pods":
      return sendPods(await deps.usages(), route, response);
    case "nodes":
      return sendNodes(await deps.usages(), route, { response, labels: deps.nodeLabels }, until);
    default:
      return route satisfies never;
  }
}

const NOWHERE = {
  404: "the server could not find the requested resource",
  405: "the server does not allow this method on the requested resource",
  406: "only the following media types are accepted: application/json",
} as const;

/** As the API server words it. */
function forbiddenText({ user }: Identity, access: Access): string {
  if ("path" in access) {
    return `forbidden: User "${user}" cannot ${access.verb} path "${access.path}"`;
  }
  const { verb, group, resource, namespace, name } = access;
  const what = `${resource}.${group}${name === undefined ? "" : ` "${name}"`}`;
  const where =
    namespace === undefined ? "at the cluster scope" : `in the namespace "${namespace}"`;
  return `${what} is forbidden: User "${user}" cannot ${verb} resource "${resource}" in API group "${group}" ${where}`;
}

function statusOf({ code }: FksError): number {
  if (code === "InvalidInput") return 400;
  return code === "NotFound" ? 404 : 503;
}

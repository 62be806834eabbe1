import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import { createServer as createTlsServer, type Server as TlsServer } from "node:tls";
import { type KubeletRequest, routeFor } from "#core/kubelet/routes.ts";
import { boundedConnections, type Connections } from "./connections.ts";
import type { KubeletApiDeps, ListenOn, TlsFiles } from "./deps.ts";
import { refusalFor } from "./identity.ts";
import { sendLogs } from "./logs.ts";
import { sendPlain } from "./plain.ts";
import { refuseUpgrade, sendText, statusFor } from "./respond.ts";
import { sendRun } from "./run.ts";
import { boundedSessions, type Session, type Sessions } from "./sessions.ts";
import { serveAttach, serveExec, servePortForward } from "./stream-routes.ts";
import { type UpgradeRequest, wantsSpdy, wantsWebSocket } from "./upgrade.ts";

const HANDSHAKE_TIMEOUT_MS = 10_000;
/** A peer that vanished without a word is noticed within about two minutes. */
const KEEP_ALIVE_MS = 30_000;
const TOO_MANY = "too many sessions are open on this node";

export interface KubeletApi {
  /** The ports that were taken, in the order of `deps.nodes`. */
  readonly listening: readonly ListenOn[];
  /** Sessions that are open now: exec, port-forward, logs. */
  sessions(): number;
  /** Settles when everything is closed after `signal` aborted. */
  readonly closed: Promise<void>;
}

interface Endpoint {
  readonly deps: KubeletApiDeps;
  readonly node: ListenOn;
  readonly sessions: Sessions;
  readonly signal: AbortSignal;
}

/**
 * The kubelet's HTTPS API, one listener for each Node, until `signal` aborts. The Node that is
 * meant is the one whose address was dialled: the API server sends no other hint.
 * Resolves once all listen; rejects with the system's error when an address cannot be had.
 */
export async function serveKubeletApi(
  deps: KubeletApiDeps,
  signal: AbortSignal,
): Promise<KubeletApi> {
  const failed = new AbortController();
  const until = AbortSignal.any([signal, failed.signal]);
  const sessions = boundedSessions({ clock: deps.clock }, until);
  const servers = await Promise.all(
    deps.nodes.map((node) => listen({ deps, node, sessions, signal: until })),
  ).catch((error: unknown) => {
    // Half of the Nodes would be worse than none: the caller tries again.
    failed.abort(error);
    throw error;
  });
  deps.onTlsChange?.(() => {
    for (const { tls } of servers) tls.setSecureContext(contextOf(deps.tls()));
  });
  return {
    listening: servers.map(({ node }) => node),
    sessions: () => sessions.count(),
    closed: Promise.all(servers.map(({ closed }) => closed)).then(() => undefined),
  };
}

interface Listener {
  readonly node: ListenOn;
  readonly tls: TlsServer;
  readonly closed: Promise<void>;
}

/** TLS here and HTTP behind it: only so are certificate, upgrade and back-pressure all to be had. */
async function listen(endpoint: Endpoint): Promise<Listener> {
  const { deps, node, signal } = endpoint;
  const connections = boundedConnections(deps.clock);
  const http = httpServer(endpoint, connections);
  const tls = createTlsServer(
    {
      ...contextOf(deps.tls()),
      requestCert: true,
      // Callers with a bearer token have no certificate; `refusalFor` judges both.
      rejectUnauthorized: false,
      ALPNProtocols: ["http/1.1"],
      handshakeTimeout: HANDSHAKE_TIMEOUT_MS,
    },
    (socket) => {
      socket.setNoDelay(true);
      socket.setKeepAlive(true, KEEP_ALIVE_MS);
      http.emit("connection", socket);
    },
  );
  tls.on("connection", (socket) => connections.add(socket));
  tls.on("tlsClientError", (err, socket) => {
    deps.log.debug("handshake failed", { node: node.name, err });
    socket.destroy();
  });

  const { promise: closed, resolve: setClosed } = Promise.withResolvers<void>();
  const stop = (): void => {
    tls.close(() => setClosed());
    connections.destroyAll();
  };
  await new Promise<void>((resolve, reject) => {
    tls.on("error", (err) => {
      if (tls.listening) deps.log.warn("listener failed", { node: node.name, err });
      reject(err);
    });
    tls.listen(node.port, node.address, () => resolve());
  });
  signal.addEventListener("abort", stop, { once: true });
  if (signal.aborted) stop();

  const bound = tls.address();
  const port = typeof bound === "object" && bound !== null ? bound.port : node.port;
  return { node: { ...node, port }, tls, closed };
}

function contextOf({ cert, key, clientCa }: TlsFiles): { cert: string; key: string; ca: string } {
  return { cert, key, ca: clientCa };
}

function httpServer(endpoint: Endpoint, connections: Connections): Server {
  const { deps, node } = endpoint;
  const server = createServer((request, response) => {
    const { socket } = request;
    connections.busy(socket);
    response.once("close", () => connections.idle(socket));
    handle(endpoint, request, response).catch((err: unknown) => {
      const status = statusFor(err);
      const isGone = response.destroyed || endpoint.signal.aborted;
      if (status === undefined && !isGone)
        deps.log.error("request failed", { node: node.name, err });
      if (response.headersSent) response.destroy();
      else sendText(response, status ?? 500, textOf(err, status));
    });
  });
  server.on("upgrade", (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    // A client may hang up while it is being asked about; that is nobody's fault.
    socket.on("error", () => socket.destroy());
    connections.busy(socket);
    const served = handleUpgrade(endpoint, { request, socket, head }).catch((err: unknown) => {
      const status = statusFor(err);
      const isGone = socket.destroyed || endpoint.signal.aborted;
      if (status === undefined && !isGone)
        deps.log.error("upgrade failed", { node: node.name, err });
      refuseUpgrade(socket, status ?? 500, textOf(err, status));
    });
    void served.then(() => connections.idle(socket));
  });
  return server;
}

async function handle(
  { deps, node, sessions, signal }: Endpoint,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const url = urlOf(request);
  if (url === undefined) return sendText(response, 400, "400 Bad Request");
  const refusal = await refusalFor(deps, node.name, request, url.pathname, signal);
  if (refusal !== undefined) return sendText(response, refusal.status, refusal.message);
  const route = routeFor(request.method ?? "", url);
  if (!route.ok) return sendText(response, route.status, route.message);

  const { request: asked } = route;
  if (asked.to === "logs" || asked.to === "run") {
    const session = sessions.open();
    if (session === undefined) return sendText(response, 503, TOO_MANY);
    try {
      const about = { node: node.name, address: asked, url };
      if (asked.to === "logs") return await sendLogs(deps, about, response, session);
      return await sendRun(deps, { ...about, command: asked.command }, response, session);
    } finally {
      session.end();
    }
  }
  if (asked.to === "exec" || asked.to === "attach" || asked.to === "portForward") {
    return sendText(response, 400, "you must request an upgrade to SPDY/3.1 or WebSocket");
  }
  return sendPlain(deps, node, asked, response);
}

async function handleUpgrade(
  { deps, node, sessions, signal }: Endpoint,
  upgrade: UpgradeRequest,
): Promise<void> {
  const { request, socket } = upgrade;
  const url = urlOf(request);
  if (url === undefined) return refuseUpgrade(socket, 400, "400 Bad Request");
  const refusal = await refusalFor(deps, node.name, request, url.pathname, signal);
  if (refusal !== undefined) return refuseUpgrade(socket, refusal.status, refusal.message);
  const route = routeFor(request.method ?? "", url);
  if (!route.ok) return refuseUpgrade(socket, route.status, route.message);
  if (!wantsSpdy(upgrade) && !wantsWebSocket(upgrade)) {
    return refuseUpgrade(socket, 400, "only SPDY/3.1 and WebSocket can be upgraded to");
  }
  const session = sessions.open();
  if (session === undefined) return refuseUpgrade(socket, 503, TOO_MANY);
  try {
    await serveStreams(deps, route.request, { node: node.name, upgrade, scope: session });
  } finally {
    session.end();
  }
}

function serveStreams(
  deps: KubeletApiDeps,
  asked: KubeletRequest,
  session: { node: string; upgrade: UpgradeRequest; scope: Session },
): Promise<void> {
  if (asked.to === "exec") return serveExec(deps, asked, session);
  if (asked.to === "attach") return serveAttach(deps, asked, session);
  if (asked.to === "portForward") return servePortForward(deps, asked, session);
  refuseUpgrade(session.upgrade.socket, 400, "this path has nothing to upgrade to");
  return Promise.resolve();
}

function urlOf(request: IncomingMessage): URL | undefined {
  return URL.parse(request.url ?? "/", "https://node") ?? undefined;
}

function textOf(error: unknown, status: number | undefined): string {
  return status !== undefined && error instanceof Error ? error.message : "Internal Error";
}

import { timingSafeEqual } from "node:crypto";
import { type Context, Hono } from "hono";
import { FksError } from "#core/errors.ts";
import { networkPlanFor } from "#core/fly/network.ts";
import type { Clock } from "#core/ports/clock.ts";
import type { Listen } from "#core/ports/listen.ts";
import type { Log } from "#core/ports/log.ts";
import { addressesOf } from "./addresses.ts";
import { appDirectory } from "./apps.ts";
import { bundlesIn } from "./bundles.ts";
import { changes as newChanges } from "./changes.ts";
import { ApiError, callerGone, codeOf, STATUS_OF } from "./errors.ts";
import { idsFrom, type RandomBytes } from "./ids.ts";
import {
  type DiskSpace,
  type ImageThresholds,
  imageCollector,
  imagesIn,
} from "./image-collector.ts";
import type { Images } from "./images/images.ts";
import { ipDirectory } from "./ip-assignments.ts";
import { type Keeper, machineKeeper } from "./keeper.ts";
import { bucketFor, limits as newLimits } from "./limits.ts";
import { metricsOf } from "./metrics.ts";
import { actionsOf } from "./probes/actions.ts";
import type { Session } from "./protocol/channels.ts";
import { protocolRoutes } from "./protocol/routes.ts";
import type { MachineRecord } from "./record.ts";
import { actionRoutes } from "./routes/actions.ts";
import { appRoutes } from "./routes/apps.ts";
import type { Api } from "./routes/context.ts";
import { execRoute } from "./routes/exec.ts";
import { ipRoutes } from "./routes/ip-assignments.ts";
import { leaseRoutes } from "./routes/leases.ts";
import { machineRoutes } from "./routes/machines.ts";
import { metadataRoutes } from "./routes/metadata.ts";
import { orgVolumeRoute, volumeRoutes } from "./routes/volumes.ts";
import { waitRoute } from "./routes/wait.ts";
import type { Runtime } from "./runtime/runtime.ts";
import { openStore } from "./store.ts";
import { volumeDirectory } from "./volumes/volume-directory.ts";
import type { VolumeFiles } from "./volumes/volume-files.ts";

/** How long answers under way may take once the server stops. */
const STOP_MS = 5_000;

export interface MachinesApiDeps {
  /** A loopback address. */
  readonly host: string;
  /** Chooses the port. */
  readonly listen: Listen;
  /** Of the SQLite file. */
  readonly storePath: string;
  /** On a tmpfs: bundles, which hold secrets. */
  readonly runDir: string;
  /** Eight hexadecimal characters; gives Machines their addresses. */
  readonly networkId: string;
  readonly runtime: Runtime;
  readonly images: Images;
  /** When unused images go; absent: there are none that could. */
  readonly imageRoom?: { readonly thresholds: ImageThresholds; readonly disk: () => DiskSpace };
  readonly volumeFiles: VolumeFiles;
  readonly tokens: { readonly api: string; readonly protocol: string };
  readonly regions: readonly string[];
  readonly limits: "off" | "fly";
  readonly clock: Clock;
  readonly log: Log;
  readonly random: RandomBytes;
}

export interface ServedMachinesApi {
  /** Base URL of both protocols, without a path. */
  readonly url: string;
  /** In the text format of Prometheus. */
  metrics(): Promise<string>;
  /** Refuses new calls, ends streams, waits for steps under way. Containers run on. */
  stop(): Promise<void>;
}

/**
 * The embedded Machines API: Fly's public API under `/v1`, the Machine protocol under `/fks/v1`.
 * Machines that ran before are adopted before the first call is answered. `signal` stops it.
 */
export async function serveMachinesApi(
  deps: MachinesApiDeps,
  signal: AbortSignal,
): Promise<ServedMachinesApi> {
  const { runtime, images, clock, log, random, regions } = deps;
  const store = openStore(deps.storePath);
  const ids = idsFrom(random, () => clock.now());
  const bundles = bundlesIn(deps.runDir);
  const addresses = addressesOf(deps.networkId, () => store.nextSerial());
  const changes = newChanges();
  const actions = actionsOf(runtime, clock);
  const over = new AbortController();
  const machines = (): Iterable<MachineRecord> => keeper.all();
  const volumes = volumeDirectory(
    { store, files: deps.volumeFiles, machines, random, clock, log },
    over.signal,
  );
  await volumes.recover(signal);
  const parts = {
    store,
    runtime,
    images,
    bundles,
    addresses,
    actions,
    volumes,
    changes,
    ids,
    clock,
    log,
  };
  const keeper: Keeper = machineKeeper(parts);
  const metrics = metricsOf(() => keeper.all());
  const collector = imageCollector({
    images,
    thresholds: deps.imageRoom?.thresholds ?? { high: 100, low: 100 },
    disk: deps.imageRoom?.disk ?? ((): DiskSpace => ({ capacityBytes: 1, availableBytes: 1 })),
    inUse: () => imagesIn(keeper.all(), bundles),
    removed: (count) => metrics.imagesRemoved(count),
    clock,
    log,
  });
  await keeper.adopt(signal);
  const ips = ipDirectory({ store, range: networkPlanFor(deps.networkId).serviceRange, clock });
  const apps = appDirectory({ store, keeper, ips, volumes, ids, clock });
  changes.listen(undefined, ({ app, state }) => {
    if (state === "destroyed") apps.forgetEmpty(app);
  });
  const api: Api = { ...parts, keeper, collector, apps, ips, random, regions, metrics };
  const app = httpApp(api, deps, over.signal);
  const server = deps.listen((port) =>
    Bun.serve<Session>({
      hostname: deps.host,
      port,
      idleTimeout: 0,
      // Larger ones are refused with an answer of ours.
      maxRequestBodySize: 64 * 1024 * 1024,
      async fetch(request, self) {
        const response = await app.fetch(request, self);
        response.headers.set("fly-request-id", `${ids.ulid()}-${regions[0] ?? "local"}`);
        metrics.request(request.method, response.status);
        return response;
      },
      websocket: {
        idleTimeout: 0,
        perMessageDeflate: false,
        open: (socket) => socket.data.opened(socket),
        message: (socket, data) => socket.data.message(data),
        drain: (socket) => socket.data.drained(),
        close: (socket) => socket.data.closed(),
      },
    }),
  );
  const collecting = deps.imageRoom === undefined ? undefined : collector.run(over.signal);
  let stopped: Promise<void> | undefined;

  async function stop(): Promise<void> {
    over.abort(new Error("the Machines API stops"));
    const patience = new AbortController();
    const late = Promise.withResolvers<void>();
    clock.after(
      STOP_MS,
      () => {
        log.warn("answers or steps under way were cut off", { after_ms: STOP_MS });
        void server.stop(true);
        late.resolve();
      },
      patience.signal,
    );
    await Promise.race([Promise.all([server.stop(), keeper.stop(), collecting]), late.promise]);
    patience.abort();
    store.close();
  }

  const stopOnce = (): Promise<void> => (stopped ??= stop());
  signal.addEventListener("abort", () => void stopOnce(), { once: true });
  return {
    url: `http://${deps.host.includes(":") ? `[${deps.host}]` : deps.host}:${server.port}`,
    metrics: () => metrics.text(),
    stop: stopOnce,
  };
}

function httpApp(api: Api, deps: MachinesApiDeps, over: AbortSignal): Hono {
  const { clock, log } = api;
  const machine = "/v1/apps/:app/machines/:id";
  const buckets = deps.limits === "fly" ? newLimits(clock) : undefined;
  const app = new Hono();

  app.get("/healthz", (c) => c.json({ ok: true }));
  app.use("/v1/*", async (c, next) => {
    if (!isAuthorized(c, deps.tokens.api)) {
      throw new ApiError(401, "Authenticate: token validation error");
    }
    const bucket = bucketFor(c.req.method, c.req.path);
    const waitMs = buckets?.take(bucket.key, bucket.rate) ?? 0;
    if (waitMs > 0) {
      const retryAfterSeconds = Math.ceil(waitMs / 1_000);
      throw new ApiError(429, "rate limit exceeded", { retryAfterSeconds });
    }
    await next();
  });
  app.use("/fks/*", async (c, next) => {
    if (!isAuthorized(c, deps.tokens.protocol)) throw new ApiError(401, "wrong or missing token");
    await next();
  });
  app.route("/v1/apps", appRoutes(api));
  app.route("/v1/apps/:app/ip_assignments", ipRoutes(api));
  app.route("/v1/apps/:app/machines", machineRoutes(api));
  app.route(`${machine}/metadata`, metadataRoutes(api));
  app.route(`${machine}/lease`, leaseRoutes(api));
  app.route(`${machine}/wait`, waitRoute(api));
  app.route(`${machine}/exec`, execRoute(api));
  app.route(machine, actionRoutes(api));
  app.route("/v1/apps/:app/volumes", volumeRoutes(api));
  app.route("/v1/orgs/:org/volumes", orgVolumeRoute(api));
  app.route("/fks/v1", protocolRoutes(api, over));
  app.notFound((c) => c.json({ error: "404 page not found" }, 404));
  app.onError((error, c) => answerFor(error, c, log));
  return app;
}

function isAuthorized(c: Context, token: string): boolean {
  const [, given = ""] = /^(?:Bearer|FlyV1) (.+)$/.exec(c.req.header("authorization") ?? "") ?? [];
  const [a, b] = [Buffer.from(given), Buffer.from(token)];
  return token !== "" && a.length === b.length && timingSafeEqual(a, b);
}

/** Every failure as the protocol that was spoken words it. */
function answerFor(error: Error, c: Context, log: Log): Response {
  const failure = c.req.raw.signal.aborted ? callerGone() : apiErrorOf(error);
  if (failure.status >= 500) log.error("request failed", { path: c.req.path, err: error });
  const headers = new Headers({ "content-type": "application/json" });
  const { retryAfterSeconds, status, message } = failure;
  if (retryAfterSeconds !== undefined) headers.set("retry-after", String(retryAfterSeconds));
  const code = error instanceof FksError ? error.code : codeOf(status);
  const body = c.req.path.startsWith("/fks/")
    ? { error: message, code }
    : { error: message, ...(failure.kind === undefined ? {} : { status: failure.kind }) };
  return new Response(JSON.stringify(body), { status, headers });
}

function apiErrorOf(error: Error): ApiError {
  if (error instanceof ApiError) return error;
  if (error instanceof FksError) return new ApiError(STATUS_OF[error.code], error.message);
  if (error.name === "SQLiteError") {
    return new ApiError(503, `unavailable: the store cannot be used: ${error.message}`);
  }
  return new ApiError(500, "internal error: the log tells more");
}

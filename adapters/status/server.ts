import { timingSafeEqual } from "node:crypto";
import { chmodSync, rmSync } from "node:fs";
import { Hono } from "hono";
import type { Listen } from "#core/ports/listen.ts";
import type { StatusReport, UnreadyPart } from "#core/status/report.ts";

interface StatusServer {
  /** Where the status API listens on loopback. */
  readonly url: string;
}

interface StatusServerOptions {
  /** Only its owner may open it; no token is asked for there. */
  readonly socketPath: string;
  /** Chooses the port on loopback. */
  readonly listen: Listen;
  /** Wanted on loopback, where every user of the host can connect. */
  readonly token: string;
  unready(): readonly UnreadyPart[];
  report(signal: AbortSignal): Promise<StatusReport>;
  /** Prometheus text. */
  metrics(signal: AbortSignal): Promise<string>;
}

const LOOPBACK = "127.0.0.1";

/**
 * Serves `/healthz`, `/readyz`, `/metrics` and `/api/v1/status`, read-only, on a unix socket and on
 * loopback, until `signal` aborts.
 */
export function serveStatus(options: StatusServerOptions, signal: AbortSignal): StatusServer {
  const { socketPath, token } = options;
  const open = routes(options);
  const guarded = new Hono()
    .use(async (c, next) => {
      if (isToken(c.req.header("authorization"), token)) return next();
      return c.json({ error: "a token is needed: Authorization: Bearer …" }, 401);
    })
    .route("/", open);

  const onLoopback = options.listen((port) =>
    Bun.serve({ hostname: LOOPBACK, port, fetch: guarded.fetch }),
  );
  // A predecessor that was killed leaves its socket; the data directory's lock proves it is gone.
  rmSync(socketPath, { force: true });
  const onSocket = Bun.serve({ unix: socketPath, fetch: open.fetch });
  chmodSync(socketPath, 0o600);
  signal.addEventListener(
    "abort",
    () => {
      void onSocket.stop(true);
      void onLoopback.stop(true);
      rmSync(socketPath, { force: true });
    },
    { once: true },
  );
  return { url: `http://${LOOPBACK}:${onLoopback.port}` };
}

function routes(options: StatusServerOptions): Hono {
  return new Hono()
    .get("/healthz", (c) => c.text("ok\n"))
    .get("/readyz", (c) => {
      const unready = options.unready();
      return c.json({ ready: unready.length === 0, unready }, unready.length === 0 ? 200 : 503);
    })
    .get("/metrics", async (c) =>
      c.text(await options.metrics(c.req.raw.signal), 200, {
        "content-type": "text/plain; version=0.0.4; charset=utf-8",
      }),
    )
    .get("/api/v1/status", async (c) => c.json(await options.report(c.req.raw.signal)));
}

function isToken(header: string | undefined, token: string): boolean {
  const given = Buffer.from(header ?? "");
  const wanted = Buffer.from(`Bearer ${token}`);
  return given.length === wanted.length && timingSafeEqual(given, wanted);
}

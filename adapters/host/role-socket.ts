import { chmodSync, mkdirSync, rmSync } from "node:fs";
import { dirname } from "node:path";
import { FksError } from "#core/errors.ts";
import { fileError } from "./files.ts";

/** `sockaddr_un` holds 108 bytes, the last of them zero. */
const SOCKET_PATH_MAX_BYTES = 107;

export interface Readiness {
  readonly ready: boolean;
  /** One sentence for a person; left out when ready. */
  readonly reason?: string;
}

interface RoleSocketOptions {
  readonly path: string;
  isReady(): Readiness;
  /** Prometheus text. */
  metrics?(): Promise<string>;
  /** Whatever else the status report may show of this role; JSON. */
  details?(): unknown;
}

/**
 * Serves `/healthz`, `/readyz`, `/metrics` and `/details` of one role on a unix socket that only
 * its owner may open, until `signal` aborts.
 *
 * Throws `InvalidInput` when the path is too long for a socket.
 */
export function serveRoleSocket(options: RoleSocketOptions, signal: AbortSignal): void {
  const { path } = options;
  checkSocketPath(path);
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    // A predecessor that was killed leaves its socket behind; the data directory's lock proves it is gone.
    rmSync(path, { force: true });
  } catch (error) {
    throw fileError(path, error);
  }
  const server = Bun.serve({
    unix: path,
    fetch: (request) => answerFor(options, new URL(request.url).pathname),
  });
  chmodSync(path, 0o600);
  signal.addEventListener(
    "abort",
    () => {
      void server.stop(true);
      rmSync(path, { force: true });
    },
    { once: true },
  );
}

/** Throws `InvalidInput` when no unix socket can have this path. */
export function checkSocketPath(path: string): void {
  const bytes = Buffer.byteLength(path);
  if (bytes <= SOCKET_PATH_MAX_BYTES) return;
  throw new FksError(
    "InvalidInput",
    `${path} is too long for a unix socket (${bytes} bytes, at most ${SOCKET_PATH_MAX_BYTES}): choose a shorter data directory`,
  );
}

async function answerFor(options: RoleSocketOptions, path: string): Promise<Response> {
  switch (path) {
    case "/healthz":
      return new Response("ok\n");
    case "/readyz": {
      const readiness = options.isReady();
      return Response.json(readiness, { status: readiness.ready ? 200 : 503 });
    }
    case "/metrics":
      return new Response((await options.metrics?.()) ?? "", {
        headers: { "content-type": "text/plain; version=0.0.4; charset=utf-8" },
      });
    case "/details":
      return Response.json(options.details?.() ?? {});
    default:
      return new Response("not found\n", { status: 404 });
  }
}

/** The Machines API in one process with a test: without real programs unless a runtime is given. */

import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Clock } from "#core/ports/clock.ts";
import { onAnyPort } from "#core/ports/listen.ts";
import type { Log } from "#core/ports/log.ts";
import type { Images } from "../images/images.ts";
import { noImages } from "../runtime/no-images.ts";
import { noRuntime } from "../runtime/none.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { type ServedMachinesApi, serveMachinesApi } from "../server.ts";
import { noVolumeFiles } from "../volumes/no-volume-files.ts";
import type { VolumeFiles } from "../volumes/volume-files.ts";

export interface OpenOptions {
  readonly clock: Clock;
  readonly log: Log;
  /** A folder of a former instance; without it a fresh one, removed by `close`. */
  readonly dir?: string;
  readonly runtime?: Runtime;
  readonly images?: Images;
  readonly volumeFiles?: VolumeFiles;
  readonly limits?: "off" | "fly";
}

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** The body, read as JSON. */
  readonly json: unknown;
  /** One value of the body; `undefined` when the path leads nowhere. */
  field(...path: readonly (string | number)[]): unknown;
}

export interface OpenApi extends ServedMachinesApi {
  readonly dir: string;
  readonly runtime: Runtime;
  /** With the right token for either protocol. */
  call(
    method: string,
    path: string,
    body?: unknown,
    headers?: Readonly<Record<string, string>>,
  ): Promise<Answer>;
  /** Makes the App `demo` and a Machine in it; resolves with its id. */
  create(body: Readonly<Record<string, unknown>>): Promise<string>;
  close(): Promise<void>;
}

export const API_TOKEN = "api-token";
export const PROTOCOL_TOKEN = "protocol-token";

export async function openApi(options: OpenOptions): Promise<OpenApi> {
  const { clock, log } = options;
  const dir = options.dir ?? mkdtempSync(join(tmpdir(), "fks-machines-api-"));
  const runtime = options.runtime ?? noRuntime(clock);
  const stop = new AbortController();
  const served = await serveMachinesApi(
    {
      host: "127.0.0.1",
      listen: onAnyPort,
      storePath: join(dir, "machines.db"),
      runDir: join(dir, "run"),
      networkId: "0a0b0c0d",
      runtime,
      images: options.images ?? noImages(),
      volumeFiles: options.volumeFiles ?? noVolumeFiles(),
      tokens: { api: API_TOKEN, protocol: PROTOCOL_TOKEN },
      regions: ["local-a", "local-b"],
      limits: options.limits ?? "off",
      clock,
      log,
      random: (count) => randomBytes(count),
    },
    stop.signal,
  );

  async function call(
    method: string,
    path: string,
    body?: unknown,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<Answer> {
    const token = path.startsWith("/fks/") ? PROTOCOL_TOKEN : API_TOKEN;
    const all = { authorization: `Bearer ${token}`, ...headers };
    const sent = body === undefined || typeof body === "string" ? body : JSON.stringify(body);
    const response = await fetch(`${served.url}${path}`, {
      method,
      headers: all,
      ...(sent === undefined ? {} : { body: sent }),
    });
    const text = await response.text();
    return {
      status: response.status,
      headers: response.headers,
      text,
      get json(): unknown {
        return JSON.parse(text);
      },
      field: (...names) => names.reduce(memberOf, JSON.parse(text)),
    };
  }

  return {
    ...served,
    dir,
    runtime,
    call,
    async create(body) {
      await call("POST", "/v1/apps", { name: "demo", org_slug: "personal" });
      return String((await call("POST", "/v1/apps/demo/machines", body)).field("id"));
    },
    async close() {
      await served.stop();
      if (options.dir === undefined) rmSync(dir, { recursive: true, force: true });
    },
  };
}

function memberOf(value: unknown, name: string | number): unknown {
  if (typeof value !== "object" || value === null) return undefined;
  const members = new Map<string, unknown>(Object.entries(value));
  return members.get(String(name));
}

/** Real time; a test that has to wait so long has failed. */
const WAIT_MS = 4_000;

/** Asks until the answer is there, a turn of the event loop at a time. */
export async function until<T>(ask: () => Promise<T | undefined> | T | undefined): Promise<T> {
  const start = performance.now();
  while (performance.now() - start < WAIT_MS) {
    const answer = await ask();
    if (answer !== undefined && answer !== false) return answer;
    await new Promise((resolve) => setImmediate(resolve));
  }
  throw new Error("what the test waits for did not come");
}

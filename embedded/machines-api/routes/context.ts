import type { Context } from "hono";
import type * as z from "zod";
import type { Clock } from "#core/ports/clock.ts";
import type { Log } from "#core/ports/log.ts";
import type { Addresses } from "../addresses.ts";
import type { AppDirectory } from "../apps.ts";
import { parseGoDuration } from "../back-off.ts";
import type { Bundles } from "../bundles.ts";
import type { Changes } from "../changes.ts";
import { ApiError, invalid, machineNotFound } from "../errors.ts";
import type { Ids, RandomBytes } from "../ids.ts";
import type { ImageCollector } from "../image-collector.ts";
import type { Images } from "../images/images.ts";
import type { IpDirectory } from "../ip-assignments.ts";
import { positionOfError } from "../json.ts";
import type { Keeper } from "../keeper.ts";
import type { Metrics } from "../metrics.ts";
import type { MachineRecord } from "../record.ts";
import type { Runtime } from "../runtime/runtime.ts";
import type { Store } from "../store.ts";
import { unknownFields } from "../unknown-fields.ts";
import { machineView } from "../views.ts";
import type { VolumeDirectory } from "../volumes/volume-directory.ts";

/** What every route works with. */
export interface Api {
  readonly keeper: Keeper;
  readonly apps: AppDirectory;
  readonly ips: IpDirectory;
  readonly store: Store;
  readonly runtime: Runtime;
  readonly images: Images;
  readonly collector: ImageCollector;
  readonly bundles: Bundles;
  readonly addresses: Addresses;
  readonly volumes: VolumeDirectory;
  readonly changes: Changes;
  readonly ids: Ids;
  readonly random: RandomBytes;
  readonly regions: readonly string[];
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
}

const MIB = 1024 * 1024;
export const MAX_BODY_BYTES = 8 * MIB;
/** A 1 MiB ConfigMap is 1.4 MB in base64, and a Pod may have dozens. */
export const MAX_BUNDLE_BYTES = 48 * MIB;

/** The body, checked; unknown fields are let through and counted. */
export async function bodyOf<T extends z.ZodType>(
  api: Api,
  c: Context,
  schema: T,
  maxBytes = MAX_BODY_BYTES,
): Promise<z.output<T>> {
  return parsed(api, await textOf(c, maxBytes), schema);
}

/** The same for calls that may come without a body. */
export async function optionalBodyOf<T extends z.ZodType>(
  api: Api,
  c: Context,
  schema: T,
): Promise<z.output<T>> {
  return parsed(api, (await textOf(c, MAX_BODY_BYTES)) || "{}", schema);
}

async function textOf(c: Context, maxBytes: number): Promise<string> {
  const tooLarge = new ApiError(413, `request body larger than ${maxBytes / MIB} MiB`);
  if (Number(c.req.header("content-length") ?? 0) > maxBytes) throw tooLarge;
  const bytes = await c.req.arrayBuffer();
  if (bytes.byteLength > maxBytes) throw tooLarge;
  return new TextDecoder().decode(bytes);
}

function parsed<T extends z.ZodType>(api: Api, text: string, schema: T): z.output<T> {
  const value = jsonOf(text);
  const result = schema.safeParse(value);
  if (!result.success) throw invalid(sentenceFor(result.error));
  const unknown = unknownFields(value, schema);
  if (unknown.length > 0) {
    api.metrics.unknownFields(unknown);
    api.log.debug("request has unknown fields", { paths: unknown });
  }
  return result.data;
}

function jsonOf(text: string): unknown {
  if (text.trim() === "") throw invalid("request body is empty");
  try {
    return JSON.parse(text);
  } catch {
    throw invalid(`malformed JSON at ${positionOfError(text)}`);
  }
}

function sentenceFor(error: z.ZodError): string {
  return error.issues
    .slice(0, 3)
    .map(({ path, message }) => (path.length === 0 ? message : `${path.join(".")}: ${message}`))
    .join("; ");
}

const MACHINE_ID = /^[0-9a-f]{14}$/;

/** The Machine the path names, in the App the path names. Throws the API's own 404s. */
export function machineAt(api: Api, c: Context): MachineRecord {
  const app = api.apps.get(c.req.param("app") ?? "");
  const id = c.req.param("id") ?? "";
  if (!MACHINE_ID.test(id)) throw new ApiError(400, `invalid machine ID, '${id}'`);
  const record = api.keeper.get(id);
  if (record?.app !== app.name) throw machineNotFound();
  return record;
}

/** The same for what only a living Machine can do. */
export function livingMachineAt(api: Api, c: Context): MachineRecord {
  const record = machineAt(api, c);
  if (record.state === "destroyed") throw machineNotFound();
  return record;
}

export function viewOf(api: Api, record: MachineRecord): ReturnType<typeof machineView> {
  return machineView(record, api.addresses.of(record.serial).ipv6);
}

const SIGNAL_NAMES: Readonly<Record<number, string>> = {
  1: "SIGHUP",
  2: "SIGINT",
  3: "SIGQUIT",
  4: "SIGILL",
  5: "SIGTRAP",
  6: "SIGABRT",
  8: "SIGFPE",
  9: "SIGKILL",
  10: "SIGUSR1",
  11: "SIGSEGV",
  12: "SIGUSR2",
  13: "SIGPIPE",
  14: "SIGALRM",
  15: "SIGTERM",
};

const NAMES = new Set(Object.values(SIGNAL_NAMES));

/** Both dialects: `"SIGTERM"`, and fly-go's number. */
export function signalNameOf(asked: string | number): string {
  const text = String(asked).toUpperCase();
  const name = typeof asked === "number" ? SIGNAL_NAMES[asked] : text;
  if (name === undefined || !NAMES.has(name)) throw invalid(`unknown signal '${asked}'`);
  return name;
}

/** More than this is meant in nanoseconds, as fly-go writes durations that are numbers. */
const MAX_SECONDS = 1e6;

/** A duration of a request: Go's text, seconds, or fly-go's nanoseconds; its zero means none given. */
export function timeoutMsOf(asked: string | number | undefined): number | undefined {
  if (asked === undefined || asked === "" || asked === 0) return undefined;
  const ms =
    typeof asked === "number"
      ? asked > MAX_SECONDS
        ? asked / 1e6
        : asked * 1_000
      : /^\d+$/.test(asked)
        ? Number(asked) * 1_000
        : parseGoDuration(asked);
  if (ms === undefined) throw invalid(`'${asked}' is no duration`);
  return ms === 0 ? undefined : ms;
}

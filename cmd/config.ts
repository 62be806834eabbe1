import { isIP } from "node:net";
import { resolve } from "node:path";
import { z } from "zod";
import { FksError } from "#core/errors.ts";
import { DEFAULT_EVICTION_HARD, thresholdsIn } from "#core/eviction/thresholds.ts";
import { taintText } from "#core/node/given.ts";
import { ENGINE_NAMES } from "#embedded/control-plane/engine.ts";
import { CONFIG_FIELDS } from "./config-fields.ts";
import { type ConfigFile, readConfigFile } from "./config-file.ts";
import { nodeAnnotations, nodeLabels, registerWithTaints } from "./config-nodes.ts";
import { listIn, pairsIn, pairsText } from "./config-pairs.ts";
import { type Secret, secret } from "./secret.ts";

export type Environment = Readonly<Record<string, string | undefined>>;

/** The process environment: the one place that reads it. */
export function environment(): Environment {
  return process.env;
}

const REGION = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/;

const list = z.preprocess(
  listIn,
  z
    .array(z.string().regex(REGION, "expected names of small letters, digits and hyphens"))
    .min(1, "expected at least one region")
    .max(16, "expected at most 16 regions")
    .refine((names) => new Set(names).size === names.length, "expected each region once"),
);

const addresses = z.preprocess(
  listIn,
  z
    .array(z.string().refine(isIP, "expected addresses of this host, such as 127.0.0.1,::1"))
    .min(1, "expected at least one address"),
);

const port = z.preprocess(
  (value) => (typeof value === "string" && /^\d+$/.test(value) ? Number(value) : value),
  z.number("expected a port number from 1 to 65535").int().min(1).max(65_535),
);

const percent = z.preprocess(
  (value) => (typeof value === "string" && /^\d+$/.test(value) ? Number(value) : value),
  z.number("expected whole percent from 0 to 100").int().min(0).max(100),
);

const seconds = z.preprocess(
  (value) => (typeof value === "string" && /^\d+$/.test(value) ? Number(value) : value),
  z.number("expected whole seconds from 10 to 3600").int().min(10).max(3_600),
);

const QUANTITY = "expected a quantity such as 4 or 8Gi";
const quantity = z.union([z.string(), z.number().transform(String)], { error: QUANTITY }).pipe(
  z
    .string()
    .regex(/^\d+(\.\d+)?(m|[kMGTPE]|[KMGTPE]i)?$/, QUANTITY)
    .regex(/[1-9]/, "expected more than nothing"),
);

const POD_COUNT = "expected a whole number from 1 to 10000";

const capacity = z.preprocess(
  pairsIn,
  z
    .strictObject({
      cpu: quantity.optional(),
      memory: quantity.optional(),
      pods: z.coerce
        .number(POD_COUNT)
        .int(POD_COUNT)
        .min(1, POD_COUNT)
        .max(10_000, POD_COUNT)
        .default(250),
    })
    .readonly(),
);

const NO_THRESHOLD = "expected at least one threshold; memory.available<0% is never crossed";

const schema = z.strictObject({
  dataDir: z
    .string()
    .min(1, "expected a folder")
    .default("/var/lib/fks-node")
    .transform((path) => resolve(path)),
  name: z
    .string()
    .max(40)
    .regex(REGION, "expected small letters, digits and hyphens")
    .default("local"),
  machines: z.enum(["embedded", "fly"]).default("embedded"),
  runtime: z.enum(["crun", "none"]).default("crun"),
  limits: z.enum(["fly", "off"]).optional(),
  regions: list.optional(),
  nodeCapacity: capacity.default({ pods: 250 }),
  nodeLabels,
  nodeAnnotations,
  registerWithTaints,
  imageGcHighThreshold: percent.default(85),
  imageGcLowThreshold: percent.default(80),
  evictionHard: z
    .string()
    .min(1, NO_THRESHOLD)
    .superRefine(asThresholds)
    .default(DEFAULT_EVICTION_HARD),
  edgeAddresses: addresses.default(["127.0.0.1", "::1"]),
  machinesPort: port.optional(),
  statusPort: port.optional(),
  resolvConf: z
    .string()
    .min(1, "expected a file")
    .default("/etc/resolv.conf")
    .transform((path) => resolve(path)),
  logLevel: z.enum(["debug", "info", "warn", "error"]).default("info"),
  logFormat: z.enum(["auto", "pretty", "json"]).default("auto"),
  flyApiToken: z
    .string()
    .min(1)
    .transform((value): Secret => secret(value))
    .optional(),
  flapsBaseUrl: z.url("expected a URL").default("https://api.machines.dev"),
  org: z.string().min(1).optional(),
  engine: z.enum(["auto", ...ENGINE_NAMES]).default("auto"),
  k3sBin: z.string().min(1).optional(),
  k3sReleases: z
    .url({ protocol: /^https?$/, error: "expected an http or https URL" })
    .default("https://github.com/k3s-io/k3s/releases/download")
    .transform((url) => url.replace(/\/+$/, "")),
  startTimeout: seconds.default(120),
  kubeBin: z.string().min(1).optional(),
});

function asThresholds(text: string, context: z.RefinementCtx): void {
  try {
    thresholdsIn(text);
  } catch (error) {
    if (!FksError.is(error, "InvalidInput")) throw error;
    context.addIssue({ code: "custom", message: error.message });
  }
}

type Parsed = z.infer<typeof schema>;

/** Everything the node can be told, parsed once and frozen. Field by field: config-fields.ts. */
export type Config = Readonly<
  Omit<Parsed, "limits" | "regions"> & {
    limits: "fly" | "off";
    regions: readonly string[];
  }
>;

interface Sources {
  /** What commander found, by field. */
  readonly flags: Readonly<Record<string, unknown>>;
  readonly env: Environment;
  /** Path of a YAML file; `FKS_CONFIG` when undefined. */
  readonly configPath?: string;
}

/**
 * The configuration: flags over environment over file over defaults.
 *
 * Throws `InvalidInput` naming where the value was given, the field, and what was expected.
 */
export async function loadConfig({ flags, env, configPath }: Sources): Promise<Config> {
  const path = configPath ?? env["FKS_CONFIG"];
  const file = path === undefined ? undefined : await readConfigFile(path);
  const values: Record<string, unknown> = { ...file?.values };
  const givenBy: Record<string, string> = {};

  for (const field of CONFIG_FIELDS) {
    const { key } = field;
    const name = field.env.find((candidate) => (env[candidate] ?? "") !== "");
    if (name !== undefined) {
      values[key] = env[name];
      givenBy[key] = name;
    }
    if (flags[key] !== undefined) {
      values[key] = flags[key];
      givenBy[key] = "flag" in field ? (field.flag.split(" ")[0] ?? key) : key;
    }
  }

  const parsed = schema.safeParse(values);
  if (!parsed.success) throw invalid(parsed.error, givenBy, file);
  return configFor(parsed.data);
}

/** Fills in what depends on other fields. */
function configFor(parsed: Parsed): Config {
  const isFly = parsed.machines === "fly";
  if (isFly && parsed.regions === undefined) {
    throw new FksError("InvalidInput", "--machines fly needs --regions, for example --regions ams");
  }
  if (parsed.imageGcLowThreshold > parsed.imageGcHighThreshold) {
    const message = "--image-gc-low-threshold cannot be higher than --image-gc-high-threshold";
    throw new FksError("InvalidInput", message);
  }
  return Object.freeze({
    ...parsed,
    limits: parsed.limits ?? (isFly ? "fly" : "off"),
    regions: parsed.regions ?? ["local-a", "local-b"],
  });
}

/**
 * The same configuration as environment variables, for children of ours.
 *
 * The only place besides the adapters' own calls where the Fly token is revealed: the environment
 * of a process is its owner's to read, its arguments are everybody's.
 */
export function environmentFor(config: Config): Record<string, string> {
  const env: Record<string, string> = {};
  for (const { key, env: names } of CONFIG_FIELDS) {
    const value = textOf(config, key);
    if (value !== undefined) env[names[0]] = value;
  }
  return env;
}

function textOf(config: Config, key: keyof Config): string | undefined {
  if (key === "flyApiToken") return config.flyApiToken?.reveal();
  if (key === "regions") return config.regions.join(",");
  if (key === "nodeCapacity" || key === "nodeLabels" || key === "nodeAnnotations") {
    return pairsText(config[key]);
  }
  if (key === "registerWithTaints") {
    return config.registerWithTaints.map(taintText).join(",") || undefined;
  }
  const value = config[key];
  return value === undefined ? undefined : String(value);
}

function invalid(
  error: z.ZodError,
  givenBy: Readonly<Record<string, string>>,
  file: ConfigFile | undefined,
): FksError {
  const sentences = error.issues.map((issue) => {
    const path = issue.path.map(String);
    if (issue.code !== "unrecognized_keys") return `${placeOf(path)}: ${readable(issue.message)}`;
    return issue.keys.map((key) => `${placeOf([...path, key])}: no such setting`).join("; ");
  });
  return new FksError("InvalidInput", [...new Set(sentences)].join("; "));

  /** `--node-capacity: cpu`, or the line of a file. Which of a list's items it is tells nobody anything. */
  function placeOf(path: readonly string[]): string {
    const [key = "", ...inside] = path;
    const source = givenBy[key];
    if (source === undefined) return `${file?.whereIs(path) ?? "configuration"}: ${path.join(".")}`;
    return [source, ...inside.filter((name) => !/^\d+$/.test(name))].join(": ");
  }
}

/** zod's sentences read "Invalid input: expected …"; ours begin with what was expected. */
function readable(message: string): string {
  return message.replace(/^Invalid (input|option): /, "");
}

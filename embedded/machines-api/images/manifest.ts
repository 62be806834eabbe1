import { z } from "zod";
import { FksError } from "#core/errors.ts";

const DIGEST = z.string().regex(/^sha256:[0-9a-f]{64}$/);

const descriptor = z.object({
  mediaType: z.string(),
  digest: DIGEST,
  size: z.number().int().nonnegative(),
  platform: z
    .object({
      os: z.string(),
      architecture: z.string(),
      variant: z.string().optional(),
    })
    .optional(),
  annotations: z.record(z.string(), z.string()).nullish(),
});

const manifest = z.object({
  schemaVersion: z.literal(2),
  config: descriptor,
  layers: z.array(descriptor),
});

const index = z.object({ schemaVersion: z.literal(2), manifests: z.array(descriptor) });

const strings = z.array(z.string()).nullish();

const imageConfig = z.object({
  os: z.string().optional(),
  architecture: z.string().optional(),
  rootfs: z.object({ diff_ids: z.array(DIGEST) }),
  config: z
    .object({
      Env: strings,
      Entrypoint: strings,
      Cmd: strings,
      WorkingDir: z.string().nullish(),
      User: z.string().nullish(),
      StopSignal: z.string().nullish(),
      ExposedPorts: z.record(z.string(), z.unknown()).nullish(),
      Labels: z.record(z.string(), z.string()).nullish(),
    })
    .nullish(),
});

export type Descriptor = z.infer<typeof descriptor>;
export type Manifest = z.infer<typeof manifest>;
export type Index = z.infer<typeof index>;
export type ConfigFile = z.infer<typeof imageConfig>;

export const MANIFEST_TYPES = [
  "application/vnd.oci.image.manifest.v1+json",
  "application/vnd.oci.image.index.v1+json",
  "application/vnd.docker.distribution.manifest.v2+json",
  "application/vnd.docker.distribution.manifest.list.v2+json",
] as const;

/** A manifest of one image, or an index of several. Throws FksError `InvalidInput`. */
export function manifestOf(bytes: Uint8Array): Manifest | Index {
  const content = jsonOf(bytes, "manifest");
  if (hasField(content, "schemaVersion", 1)) {
    throw refused("its manifest is of schema 1, which nobody writes any more");
  }
  const schema = hasField(content, "manifests") ? index : manifest;
  return parsed<Manifest | Index>(schema, content, "manifest");
}

export function isIndex(content: Manifest | Index): content is Index {
  return "manifests" in content;
}

export function indexOf(bytes: Uint8Array): Index {
  return parsed(index, jsonOf(bytes, "index"), "index");
}

export function configFileOf(bytes: Uint8Array): ConfigFile {
  return parsed(imageConfig, jsonOf(bytes, "config"), "config");
}

/** Throws FksError `InvalidInput` when it is not JSON. */
export function jsonOf(bytes: Uint8Array, what: string): unknown {
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (cause) {
    throw refused(`its ${what} is not JSON`, cause);
  }
}

function parsed<T>(schema: z.ZodType<T>, content: unknown, what: string): T {
  const result = schema.safeParse(content);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  throw refused(`its ${what} has a bad ${issue?.path.join(".") ?? "form"}`, result.error);
}

function hasField(content: unknown, name: string, value?: unknown): boolean {
  if (typeof content !== "object" || content === null || !(name in content)) return false;
  return value === undefined || Reflect.get(content, name) === value;
}

function refused(why: string, cause?: unknown): FksError {
  return new FksError("InvalidInput", `the image is refused: ${why}`, { cause });
}

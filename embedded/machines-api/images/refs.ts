import { readFileSync } from "node:fs";
import { join } from "node:path";
import writeFileAtomic from "write-file-atomic";
import { z } from "zod";
import { FksError } from "#core/errors.ts";
import type { FileLock } from "./file-lock.ts";
import { type Reference, referenceText } from "./reference.ts";

const refRecord = z.object({
  /** What the name led to: an index or a manifest. */
  digest: z.string(),
  /** The manifest of this host's platform. */
  manifest: z.string(),
  config: z.string(),
  sizeBytes: z.number(),
  source: z.enum(["loaded", "pulled"]),
});

const refsFile = z.object({ version: z.literal(1), images: z.record(z.string(), refRecord) });

export type RefRecord = z.infer<typeof refRecord>;

/** Which names lead to which content. One small file, read anew each time: others write it too. */
export interface Refs {
  all(): ReadonlyMap<string, RefRecord>;
  /** Changes the table under the lock, in one atomic step. */
  update(change: (images: Map<string, RefRecord>) => void, signal: AbortSignal): Promise<void>;
}

export function refsIn(folder: string, lock: FileLock): Refs {
  const file = join(folder, "refs.json");
  const all = (): Map<string, RefRecord> => new Map(Object.entries(read(file)));

  return {
    all,
    update: (change, signal) =>
      lock.hold(
        "exclusive",
        async () => {
          const images = all();
          change(images);
          const content = { version: 1, images: Object.fromEntries(images) };
          writeFileAtomic.sync(file, `${JSON.stringify(content, undefined, 1)}\n`, { mode: 0o600 });
        },
        signal,
      ),
  };
}

/** By its name; a digest also leads to an image that was loaded under a tag. */
export function recordOf(
  refs: ReadonlyMap<string, RefRecord>,
  reference: Reference,
): RefRecord | undefined {
  const { registry, repository, digest } = reference;
  const exact = refs.get(referenceText(reference));
  if (exact !== undefined || digest === undefined) return exact;
  const prefix = `${registry}/${repository}:`;
  const found = [...refs].find(
    ([name, record]) => name.startsWith(prefix) && record.digest === digest,
  );
  return found?.[1];
}

function read(file: string): Readonly<Record<string, RefRecord>> {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return {};
    throw error;
  }
  try {
    return refsFile.parse(JSON.parse(text)).images;
  } catch (cause) {
    const message = `${file} is damaged; delete it and load or pull the images again`;
    throw new FksError("Unavailable", message, { cause });
  }
}

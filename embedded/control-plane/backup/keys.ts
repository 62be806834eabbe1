import { FksError } from "#core/errors.ts";
import type { EngineName } from "../engine.ts";
import { secretIn } from "../k3s/token.ts";
import { textIfThere } from "../text-file.ts";
import { sha256OfText } from "./sha256.ts";

/** A key of the cluster: where it is in a data directory, and its name in a backup. */
export interface KeyFile {
  readonly name: string;
  readonly path: string;
}

/**
 * What tells a cluster's keys from another's; undefined when none of the files is there.
 *
 * K3s' is that of its token's secret, in whichever form: the keys themselves are in the datastore,
 * sealed with it. Throws `Unauthorized` when two files hold different secrets.
 */
export async function keysFingerprint(
  engine: EngineName,
  files: readonly KeyFile[],
): Promise<string | undefined> {
  const texts: (readonly [string, string])[] = [];
  for (const { name, path } of files) {
    const text = await textIfThere(path);
    if (text !== undefined) texts.push([name, text]);
  }
  if (texts.length === 0) return undefined;
  if (engine === "upstream") return sha256OfText(JSON.stringify(texts));

  const secrets = new Set(texts.flatMap(([, text]) => secretIn(text) ?? []));
  const [secret] = secrets;
  if (secrets.size <= 1) return secret === undefined ? undefined : tokenFingerprint(secret);
  const paths = files.map(({ path }) => path).join(" and ");
  throw new FksError("Unauthorized", `${paths} hold different tokens: move the wrong one away`);
}

/** The fingerprint of K3s' keys, from the secret alone. Pure. */
export function tokenFingerprint(secret: string): string {
  return sha256OfText(`k3s token\n${secret}`);
}

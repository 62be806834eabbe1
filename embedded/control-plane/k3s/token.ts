import { existsSync } from "node:fs";
import { FksError } from "#core/errors.ts";
import { textIfThere, writePrivate } from "../text-file.ts";
import type { K3sFiles } from "./files.ts";

/**
 * Makes sure that `tokenFile` holds the secret of K3s' token, and nothing else.
 *
 * It is made once: the datastore can be read with it alone. Where it was lost it is taken from K3s'
 * own copy. Throws `Unauthorized` when that is lost as well, and when the two differ.
 */
export async function ensureK3sToken(tokenFile: string, files: K3sFiles): Promise<void> {
  const [ours, theirs] = await Promise.all([textIfThere(tokenFile), textIfThere(files.token)]);
  const [secret, theirSecret] = [secretIn(ours), secretIn(theirs)];
  if (secret !== undefined && theirSecret !== undefined && secret !== theirSecret) {
    throw new FksError(
      "Unauthorized",
      `${tokenFile} and ${files.token} hold different tokens, and the datastore can be read with one of them only: move the wrong one away`,
    );
  }
  const known = secret ?? theirSecret;
  if (known === undefined && existsSync(files.database)) {
    throw new FksError(
      "Unauthorized",
      `the token of ${files.database} is lost, and nothing else opens it: bring ${tokenFile} back from a backup, or start over with fks-node reset`,
    );
  }
  const wanted = known ?? freshSecret();
  // No line end: whether that would become part of the secret is written nowhere.
  if (ours !== wanted) await writePrivate(tokenFile, wanted);
}

/** Hexadecimal, so that it never looks like the long form, which begins with `K10`. */
function freshSecret(): string {
  return Buffer.from(crypto.getRandomValues(new Uint8Array(32))).toString("hex");
}

/** `<secret>`, or the one in `K10<hash of the CA>::<user>:<secret>`; undefined without one. Pure. */
export function secretIn(text: string | undefined): string | undefined {
  const token = text?.trim() ?? "";
  if (!token.startsWith("K10")) return token === "" ? undefined : token;
  return /^K10[0-9a-f]{64}::[^:]+:(.+)$/.exec(token)?.[1];
}

import { readTextIfThere, writeFile } from "#adapters/host/files.ts";
import { FksError } from "#core/errors.ts";

/** Makes the token in this file unless there is one. */
export async function ensureToken(path: string): Promise<void> {
  const before = await readTextIfThere(path);
  if (before !== undefined && before.trim() !== "") return;
  const token = Buffer.from(crypto.getRandomValues(new Uint8Array(32))).toString("base64url");
  await writeFile(path, `${token}\n`);
}

/** The token in this file. Throws `Unauthorized` when there is none. */
export async function readToken(path: string): Promise<string> {
  const token = (await readTextIfThere(path))?.trim() ?? "";
  if (token === "") throw new FksError("Unauthorized", `there is no token in ${path}`);
  return token;
}

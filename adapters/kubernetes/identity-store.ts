import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import writeFileAtomic from "write-file-atomic";
import type { IdentityStore } from "./identities.ts";

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^]+?-----END CERTIFICATE-----\n?/;
const KEY = /-----BEGIN PRIVATE KEY-----[^]+?-----END PRIVATE KEY-----\n?/;

/** Key pairs as `<folder>/<name>.pem`, certificate and key in one file, readable by its owner only. */
export function identityFolder(folder: string): IdentityStore {
  return {
    async load(name) {
      const text = await readFile(join(folder, `${name}.pem`), "utf8").catch(() => "");
      const cert = CERTIFICATE.exec(text)?.[0];
      const key = KEY.exec(text)?.[0];
      return cert === undefined || key === undefined ? undefined : { cert, key };
    },
    async save(name, { cert, key }) {
      await mkdir(folder, { recursive: true, mode: 0o700 });
      const text = `${cert.trimEnd()}\n${key.trimEnd()}\n`;
      await writeFileAtomic(join(folder, `${name}.pem`), text, { mode: 0o600 });
    },
  };
}

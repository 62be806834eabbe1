/** Images of the end-to-end tests, made here from busybox and our own programs. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { busyboxRoot } from "#scripts/busybox-root.ts";
import { type BuiltImage, builtImage, dockerArchive } from "#scripts/image-archive.ts";
import type { Cluster } from "./cluster.ts";
import { succeed } from "./process.ts";

/**
 * busybox with an HTTP server on port 8080; `api-client`, which asks the API server; `name-client`,
 * which finds addresses.
 */
export const WEB_IMAGE = "fks-test/web:1";
/** The same with another page. */
export const WEB_IMAGE_2 = "fks-test/web:2";

let archive: Promise<Uint8Array> | undefined;

/** Loads both images into the cluster. */
export async function loadImages(cluster: Cluster): Promise<void> {
  // They are the same for every test of this process.
  archive ??= inFolder(builtArchive);
  await loadArchive(cluster, await archive);
}

/** Loads what a test has built for itself. */
export function loadBuilt(cluster: Cluster, ...images: readonly BuiltImage[]): Promise<void> {
  return loadArchive(cluster, dockerArchive(images));
}

async function loadArchive(cluster: Cluster, bytes: Uint8Array): Promise<void> {
  await inFolder(async (folder) => {
    const file = join(folder, "images.tar");
    writeFileSync(file, bytes);
    const loaded = await cluster.fks(["image", "load", file]);
    if (loaded.exitCode !== 0) throw new Error(`image load: ${loaded.stdout}${loaded.stderr}`);
  });
}

async function builtArchive(folder: string): Promise<Uint8Array> {
  const clients = ["api-client", "name-client"].map((name) => [name, join(folder, name)] as const);
  for (const [name, client] of clients) {
    await succeed(["go", "-C", `test/programs/${name}`, "build", "-o", client, "."], {
      env: { CGO_ENABLED: "0" },
      timeoutMs: 300_000,
    });
  }
  const images = [WEB_IMAGE, WEB_IMAGE_2].map((reference) =>
    builtImage({
      reference,
      config: {
        Env: ["PATH=/bin"],
        Cmd: ["/bin/busybox", "httpd", "-f", "-p", "[::]:8080", "-h", "/www"],
      },
      layers: [
        { entries: busyboxRoot() },
        {
          entries: [
            ...clients.map(([name, client]) => ({
              path: `bin/${name}`,
              content: readFileSync(client),
              mode: 0o755,
            })),
            { path: "www/index.html", content: `${reference}\n` },
          ],
        },
      ],
    }),
  );
  return dockerArchive(images);
}

async function inFolder<T>(use: (folder: string) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), "fks-e2e-images-"));
  try {
    return await use(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

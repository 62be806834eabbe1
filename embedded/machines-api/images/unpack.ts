import { closeSync, createReadStream, mkdirSync, openSync } from "node:fs";
import { FksError } from "#core/errors.ts";
import { decompressed } from "./decompress.ts";
import { applyLayer, setFolderTimes, unpackingInto } from "./layer.ts";
import { syncFileSystem } from "./libc.ts";
import type { UnpackLimits } from "./unpack-limits.ts";

export interface UnpackRequest {
  /** The folder to make and to fill. */
  readonly root: string;
  readonly layers: readonly UnpackLayer[];
  readonly limits: UnpackLimits;
  /** Write everything to the disk before it counts as done. */
  readonly isDurable: boolean;
}

export interface UnpackLayer {
  readonly file: string;
  /** Of the decompressed archive, from the image's config: `sha256:…`. */
  readonly diffId: string;
}

/**
 * Lays the layers on each other into one root file system.
 * Throws FksError `InvalidInput` for a hostile or damaged image; what is there then is of no use.
 */
export async function unpack(request: UnpackRequest, signal: AbortSignal): Promise<void> {
  const { root, layers, limits } = request;
  if (layers.length > limits.layers) throw refused(`it has more than ${limits.layers} layers`);
  mkdirSync(root, { mode: 0o755 });
  const unpacking = unpackingInto(root, limits);
  const total = { bytes: 0 };

  for (const layer of layers) {
    const hasher = new Bun.CryptoHasher("sha256");
    await applyLayer(unpacking, counted(layer.file, hasher, total, limits.totalBytes, signal));
    if (`sha256:${hasher.digest("hex")}` !== layer.diffId) {
      throw refused("a layer is not the one its config names");
    }
  }
  setFolderTimes(unpacking);
  if (request.isDurable) sync(root);
}

/** The decompressed bytes of one layer, added up and hashed on their way. */
async function* counted(
  file: string,
  hasher: Bun.CryptoHasher,
  total: { bytes: number },
  maxBytes: number,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  for await (const piece of decompressed(piecesOf(file))) {
    signal.throwIfAborted();
    total.bytes += piece.length;
    if (total.bytes > maxBytes) throw refused(`it unpacks to more than ${maxBytes} bytes`);
    hasher.update(piece);
    yield piece;
  }
}

async function* piecesOf(file: string): AsyncGenerator<Uint8Array> {
  for await (const piece of createReadStream(file, { highWaterMark: 1 << 18 })) {
    if (piece instanceof Uint8Array) yield piece;
  }
}

function sync(folder: string): void {
  const fd = openSync(folder, "r");
  try {
    syncFileSystem(fd);
  } finally {
    closeSync(fd);
  }
}

function refused(why: string): FksError {
  return new FksError("InvalidInput", `the image is refused: ${why}`);
}

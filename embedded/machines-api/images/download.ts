import { closeSync, fsyncSync, ftruncateSync, openSync, writeSync } from "node:fs";
import { FksError } from "#core/errors.ts";
import type { Clock } from "#core/ports/clock.ts";
import { watchdog } from "#core/watchdog.ts";
import { piecesOf } from "./registry-http.ts";
import type { Repository } from "./repository.ts";
import { type RetryRules, retrying } from "./retry.ts";

export interface Download {
  readonly repository: Repository;
  /** What the manifest promises. */
  readonly digest: string;
  readonly size: number;
  readonly file: string;
  readonly clock: Clock;
  readonly retries: RetryRules;
  readonly quietMs: number;
  /** Called with the bytes received so far. */
  readonly onProgress: (received: number) => void;
}

/** A registry that breaks off more often than this is not worth waiting for. */
const ROUNDS_MAX = 100;

/**
 * Fetches a blob into a new file. A transfer that breaks goes on where it stopped, when the
 * registry can; the whole must have the size and the digest that the manifest promised.
 */
export async function download(request: Download, signal: AbortSignal): Promise<void> {
  const { digest } = request;
  const fd = openSync(request.file, "wx", 0o600);
  try {
    const part: Part = { fd, received: 0, hasher: new Bun.CryptoHasher("sha256") };
    let rounds = 0;
    do {
      rounds += 1;
      if (rounds > ROUNDS_MAX) {
        throw new FksError("Unavailable", `the transfer of ${digest} breaks again and again`);
      }
      await nextRound(request, part, signal);
    } while (part.received < request.size);
    if (`sha256:${part.hasher.digest("hex")}` !== digest) {
      throw new FksError("InvalidInput", `the registry sent other bytes than ${digest}`);
    }
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

/** Goes on as long as bytes come; the attempts of the retry rules count only where none do. */
function nextRound(request: Download, part: Part, signal: AbortSignal): Promise<void> {
  const before = part.received;
  return retrying(
    request.clock,
    request.retries,
    async () => {
      try {
        await fetchRest(request, part, signal);
      } catch (error) {
        if (!FksError.is(error, "Unavailable") || part.received <= before) throw error;
      }
    },
    signal,
  );
}

interface Part {
  readonly fd: number;
  received: number;
  hasher: Bun.CryptoHasher;
}

async function fetchRest(request: Download, part: Part, signal: AbortSignal): Promise<void> {
  const { repository, digest, size, clock } = request;
  const dog = watchdog(clock, request.quietMs, signal);
  try {
    const headers: Record<string, string> = {};
    if (part.received > 0) headers["range"] = `bytes=${part.received}-`;
    const response = await repository.get(`blobs/${digest}`, headers, dog.signal);
    if (part.received > 0 && !continuesAt(response, part.received)) startAgain(part);

    for await (const piece of piecesOf(response)) {
      dog.touch();
      if (part.received + piece.length > size) {
        throw new FksError(
          "InvalidInput",
          `the registry sent more than the ${size} bytes of ${digest}`,
        );
      }
      writeAt(part.fd, piece, part.received);
      part.hasher.update(piece);
      part.received += piece.length;
      request.onProgress(part.received);
    }
  } catch (error) {
    signal.throwIfAborted();
    throw dog.signal.aborted ? dog.signal.reason : error;
  } finally {
    dog.stop();
  }
  if (part.received < size) {
    throw new FksError("Unavailable", `the transfer of ${digest} ended early`);
  }
}

function writeAt(fd: number, piece: Uint8Array, position: number): void {
  for (let at = 0; at < piece.length; ) {
    at += writeSync(fd, piece, at, piece.length - at, position + at);
  }
}

function continuesAt(response: Response, offset: number): boolean {
  const range = response.headers.get("content-range") ?? "";
  return response.status === 206 && range.startsWith(`bytes ${offset}-`);
}

/** The registry cannot continue: it sends everything once more. */
function startAgain(part: Part): void {
  ftruncateSync(part.fd, 0);
  part.received = 0;
  part.hasher = new Bun.CryptoHasher("sha256");
}

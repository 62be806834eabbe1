import { portChoice } from "#adapters/host/ports.ts";
import {
  serveWebhook,
  WEBHOOK_PATH,
  type Webhook,
  type WebhookDeps,
} from "#adapters/webhook/server.ts";
import { FksError } from "#core/errors.ts";
import { sleep } from "#core/ports/clock.ts";
import type { Role } from "./role.ts";

/** The API server runs on this host, and nobody but this host's programs reaches it here. */
export const WEBHOOK_HOST = "127.0.0.1";
const FIRST_PORT = 9_443;
const RETRY_MS = 1_000;
/** Somebody may have removed what we registered; and a certificate does not live for ever. */
const LOOK_MS = 60_000;

interface WebhookParts {
  readonly role: Role;
  readonly range: string;
  readonly take: WebhookDeps["take"];
  /** What the webhook is to show from now on; the same one as long as it is good. */
  readonly certificate: () => Promise<WebhookDeps["tls"]>;
  /** Where the API server asks already. */
  readonly urlBefore: (signal: AbortSignal) => Promise<string | undefined>;
  readonly register: (
    at: { readonly url: string; readonly ca: string },
    signal: AbortSignal,
  ) => Promise<void>;
  /** Why Services are not asked about yet; undefined once they are. */
  readonly waiting: (reason: string | undefined) => void;
}

/** Serves the webhook and keeps it registered, and its certificate good, until `signal` aborts. */
export async function runWebhook(parts: WebhookParts, signal: AbortSignal): Promise<void> {
  const { role, certificate, register, waiting } = parts;
  const { clock } = role;
  let tls = await certificate();
  let webhook = await open(parts, tls, await portBefore(parts, signal), signal);
  try {
    while (!signal.aborted) {
      let waitMs = LOOK_MS;
      try {
        const next = await certificate();
        // Both are good until the API server has heard of the next one.
        const ca = next.cert === tls.cert ? tls.cert : `${tls.cert}\n${next.cert}`;
        await register({ url: urlOf(webhook), ca }, signal);
        if (next.cert !== tls.cert) {
          const { port } = webhook;
          await webhook.stop();
          webhook = await open(parts, next, port, signal);
          tls = next;
          waitMs = RETRY_MS;
        }
        waiting(undefined);
      } catch (error) {
        if (signal.aborted) break;
        if (!(error instanceof FksError)) throw error;
        waiting(`waiting for the webhook to be registered: ${error.message}`);
        waitMs = RETRY_MS;
      }
      await sleep(clock, waitMs, signal).catch(() => {});
    }
  } finally {
    await webhook.stop();
  }
}

async function open(
  { role: { clock, log }, range, take }: WebhookParts,
  tls: WebhookDeps["tls"],
  first: number,
  signal: AbortSignal,
): Promise<Webhook> {
  const listen = await portChoice({ host: WEBHOOK_HOST, wanted: undefined, first });
  const deps = { host: WEBHOOK_HOST, listen, tls, range, take, nameFrom: generated, clock, log };
  return serveWebhook(deps, signal);
}

function urlOf({ port }: Webhook): string {
  return `https://${WEBHOOK_HOST}:${port}${WEBHOOK_PATH}`;
}

/** The port the API server knows already, so that it need not wait for news. */
async function portBefore({ urlBefore }: WebhookParts, signal: AbortSignal): Promise<number> {
  try {
    const url = await urlBefore(signal);
    return url === undefined ? FIRST_PORT : Number(new URL(url).port);
  } catch (error) {
    if (error instanceof FksError) return FIRST_PORT;
    throw error;
  }
}

/** Letters that spell no words. Source: k8s.io/apimachinery, `rand.SafeEncodeString`. */
const SAFE = "bcdfghjklmnpqrstvwxz2456789";
const SERVICE_NAME_MAX = 63;

/** As the API server makes names. */
function generated(generateName: string): string {
  const bytes = crypto.getRandomValues(new Uint8Array(5));
  const suffix = [...bytes].map((byte) => SAFE.charAt(byte % SAFE.length)).join("");
  return `${generateName.slice(0, SERVICE_NAME_MAX - suffix.length)}${suffix}`;
}

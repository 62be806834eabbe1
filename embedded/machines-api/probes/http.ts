import { isIP } from "node:net";
import type { Handler } from "#core/fly/machine-protocol.ts";
import type { MachineAddress } from "../runtime/runtime.ts";
import { addressText, type Dial } from "./dial.ts";
import { headOf, type ResponseHead } from "./http-head.ts";
import { type Outcome, SUCCESS } from "./outcome.ts";
import { plainWire, tlsWire, type Wire } from "./wire.ts";

type HttpHandler = Extract<Handler, { readonly kind: "http" }>;

const REDIRECTS_MAX = 10;
const HEAD_MAX_BYTES = 64 * 1024;
const BODY_MAX_BYTES = 10 * 1024;

/**
 * GET as the kubelet's probe does it: 200 to 399 is a success, redirects are followed on the same
 * host and are a success with a warning when they lead elsewhere. Throws when nobody answers.
 */
export async function getProbed(
  dial: Dial,
  handler: HttpHandler,
  address: MachineAddress,
): Promise<Outcome> {
  const first = new URL(addressText(handler, address));
  let url = first;
  for (let redirects = 0; redirects < REDIRECTS_MAX; redirects += 1) {
    const asked = { url, handler, agent: "kube-probe/1.36", isFirst: url === first };
    const { head, body } = await get(dial, asked);
    const { status, location } = head;
    if (status < 200 || status >= 400) {
      return { is: "failure", message: `HTTP probe failed with statuscode: ${status}` };
    }
    if (status < 300 || location === undefined) return SUCCESS;
    const next = URL.parse(location, url.href);
    if (next === null) throw new Error(`failed to parse Location header "${location}"`);
    if (next.hostname !== first.hostname || !/^https?:$/.test(next.protocol)) {
      return { is: "warning", message: `Probe terminated redirects, Response body: ${body}` };
    }
    url = next;
  }
  throw new Error(`stopped after ${REDIRECTS_MAX} redirects`);
}

/** GET as a hook does it: any answer will do. */
export async function getOnce(
  dial: Dial,
  handler: HttpHandler,
  address: MachineAddress,
): Promise<void> {
  const url = new URL(addressText(handler, address));
  await get(dial, { url, handler, agent: "kube-lifecycle/1.36", isFirst: true });
}

interface Asked {
  readonly url: URL;
  readonly handler: HttpHandler;
  readonly agent: string;
  readonly isFirst: boolean;
}

async function get(dial: Dial, asked: Asked) {
  const { url, handler } = asked;
  const port = Number(url.port) || (url.protocol === "https:" ? 443 : 80);
  const name = url.hostname.replace(/^\[|\]$/g, "");
  // Without a host it is the Machine, whichever of its addresses answers.
  const host = handler.host === undefined ? {} : { host: name };
  const { connection } = await dial({ ...host, port });
  const wire =
    url.protocol === "https:"
      ? tlsWire(connection, isIP(name) === 0 ? name : undefined)
      : plainWire(connection);
  try {
    await wire.send(requestFor(asked));
    return await answerOf(wire);
  } finally {
    wire.close();
  }
}

/** Headers of its own win; an empty `User-Agent` or `Accept` is left out. */
function requestFor({ url, handler, agent, isFirst }: Asked): Uint8Array {
  const own = handler.headers;
  const has = (name: string): boolean => own.some((header) => header.name.toLowerCase() === name);
  const asHost = own.find((header) => header.name.toLowerCase() === "host");
  // As Go has it, the port is in it even when it is the scheme's own.
  const host = asHost?.value ?? (isFirst ? withPort(url, handler.port) : url.host);
  const lines = [
    `GET ${url.pathname}${url.search} HTTP/1.1`,
    `Host: ${host}`,
    ...(has("user-agent") ? [] : [`User-Agent: ${agent}`]),
    ...(has("accept") ? [] : ["Accept: */*"]),
    ...own
      .filter(({ name, value }) => name.toLowerCase() !== "host" && value !== "")
      .map(({ name, value }) => `${name}: ${value.replace(/[\r\n]+/g, " ")}`),
    "Connection: close",
    "",
    "",
  ];
  return new TextEncoder().encode(lines.join("\r\n"));
}

const withPort = (url: URL, port: number): string => `${url.hostname}:${port}`;

/** Reads the head, and of the body only what a warning may show. */
async function answerOf(wire: Wire): Promise<{ head: ResponseHead; body: string }> {
  let bytes: Uint8Array = new Uint8Array();
  let head: ResponseHead | undefined;
  while (head === undefined) {
    const chunk = await wire.receive();
    if (chunk === undefined) throw new Error("EOF");
    bytes = Buffer.concat([bytes, chunk]);
    head = headOf(bytes);
    if (head === undefined && bytes.length > HEAD_MAX_BYTES) {
      throw new Error("net/http: HTTP/1.x transport connection broken: response headers too large");
    }
  }
  if (head.status < 300 || head.status >= 400) return { head, body: "" };
  const wanted = Math.min(head.contentLength ?? BODY_MAX_BYTES, BODY_MAX_BYTES);
  let body: Uint8Array = bytes.subarray(head.length);
  while (body.length < wanted) {
    const chunk = await wire.receive();
    if (chunk === undefined) break;
    body = Buffer.concat([body, chunk]);
  }
  return { head, body: Buffer.from(body.subarray(0, wanted)).toString() };
}

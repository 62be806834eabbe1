import type { Protocol, ServicePort } from "../kube/service.ts";

/** What a text says, or what was expected of it. */
export type Read<T> = { readonly value: T } | { readonly problem: string };

export type EdgeHandler = "http" | "tls" | "proxy_proto";

/** One port as the edge serves it. */
export interface EdgePort {
  readonly name: string;
  readonly port: number;
  readonly protocol: Protocol;
  /** None: bytes go through as they are. */
  readonly handlers: readonly EdgeHandler[];
  /** Plain HTTP is sent to HTTPS. */
  readonly forceHttps: boolean;
  readonly tls: {
    /** Offered in this order; empty: whatever goes with the handlers. */
    readonly alpn: readonly string[];
    readonly versions: readonly TlsVersion[];
    /** Without a certificate for a name a self-signed one is shown; else the handshake fails. */
    readonly defaultSelfSigned: boolean;
  };
  readonly proxyProtocol: "v1" | "v2";
  /** A connection of the http handler without a request for so long is closed. */
  readonly idleTimeoutSeconds: number;
}

export type TlsVersion = "TLSv1.2" | "TLSv1.3";

const HANDLERS: readonly EdgeHandler[] = ["http", "tls", "proxy_proto"];
const TLS_VERSIONS: readonly TlsVersion[] = ["TLSv1.2", "TLSv1.3"];
const IDLE_TIMEOUT_SECONDS = 60;

/** What annotations may say of a whole Service. */
export interface SaidOfService {
  readonly kind?: "connections" | "requests";
  readonly softLimit?: number;
  readonly hardLimit?: number;
  readonly autostart?: boolean;
  readonly autostop?: "off" | "stop";
  readonly minMachinesRunning?: number;
}

/** What annotations may say of a port. */
export interface SaidOfPort {
  readonly handlers?: readonly EdgeHandler[];
  readonly alpn?: readonly string[];
  readonly versions?: readonly TlsVersion[];
  readonly defaultSelfSigned?: boolean;
  readonly forceHttps?: boolean;
  readonly proxyProtocol?: "v1" | "v2";
  readonly idleTimeoutSeconds?: number;
}

type Settings<Said> = Readonly<Record<string, (text: string) => Read<Said>>>;

/** Annotations about the whole Service. */
export const SERVICE_SETTINGS: Settings<SaidOfService> = {
  "concurrency-kind": oneOf(["connections", "requests"], (kind) => ({ kind })),
  "concurrency-limit-soft": wholeNumber(1, 1_000_000, (softLimit) => ({ softLimit })),
  "concurrency-limit-hard": wholeNumber(1, 1_000_000, (hardLimit) => ({ hardLimit })),
  autostart: yesOrNo((autostart) => ({ autostart })),
  autostop: oneOf(["off", "stop"], (autostop) => ({ autostop })),
  "min-machines-running": wholeNumber(0, 10_000, (minMachinesRunning) => ({ minMachinesRunning })),
};

/** Annotations about a port, after its name or number and a dash. */
export const PORT_SETTINGS: Settings<SaidOfPort> = {
  handlers: listOf(HANDLERS, (handlers) => ({ handlers })),
  "tls-alpn": protocolNames((alpn) => ({ alpn })),
  "tls-versions": listOf(TLS_VERSIONS, (versions) => ({ versions })),
  "tls-default-self-signed": yesOrNo((defaultSelfSigned) => ({ defaultSelfSigned })),
  "force-https": yesOrNo((forceHttps) => ({ forceHttps })),
  "proxy-proto-version": oneOf(["v1", "v2"], (proxyProtocol) => ({ proxyProtocol })),
  "http-idle-timeout": wholeNumber(1, 86_400, (idleTimeoutSeconds) => ({ idleTimeoutSeconds })),
};

interface MadePort {
  readonly port: EdgePort;
  readonly problems: readonly string[];
}

/** A port from what its annotations say; what contradicts itself is left out and told. */
export function portFor({ name, port, protocol }: ServicePort, said: SaidOfPort): MadePort {
  const problems: string[] = [];
  let handlers = said.handlers ?? [];
  if (protocol !== "TCP" && handlers.length > 0) {
    problems.push(`handlers are for TCP, not for ${protocol}`);
    handlers = [];
  }
  if (handlers.includes("http") && handlers.includes("proxy_proto")) {
    problems.push("proxy_proto is left out: with http the headers tell who the client is");
    handlers = handlers.filter((handler) => handler !== "proxy_proto");
  }
  for (const [setting, needed] of Object.entries(NEEDED)) {
    const isSaid = Object.hasOwn(said, setting);
    if (!isSaid || handlers.includes(needed.handler)) continue;
    problems.push(`${needed.annotation} needs the handler ${needed.handler}`);
  }
  const isForced = said.forceHttps === true && handlers.includes("http");
  const isContradictory = isForced && handlers.includes("tls");
  if (isContradictory) {
    problems.push("force-https is for plain HTTP, and this port has the handler tls");
  }
  return {
    problems,
    port: {
      name,
      port,
      protocol,
      handlers,
      forceHttps: isForced && !isContradictory,
      tls: {
        alpn: said.alpn ?? [],
        versions: said.versions ?? TLS_VERSIONS,
        defaultSelfSigned: said.defaultSelfSigned ?? false,
      },
      proxyProtocol: said.proxyProtocol ?? "v2",
      idleTimeoutSeconds: said.idleTimeoutSeconds ?? IDLE_TIMEOUT_SECONDS,
    },
  };
}

/** What only means something beside a handler. */
const NEEDED: Readonly<
  Partial<Record<keyof SaidOfPort, { readonly annotation: string; readonly handler: EdgeHandler }>>
> = {
  forceHttps: { annotation: "force-https", handler: "http" },
  idleTimeoutSeconds: { annotation: "http-idle-timeout", handler: "http" },
  alpn: { annotation: "tls-alpn", handler: "tls" },
  versions: { annotation: "tls-versions", handler: "tls" },
  defaultSelfSigned: { annotation: "tls-default-self-signed", handler: "tls" },
  proxyProtocol: { annotation: "proxy-proto-version", handler: "proxy_proto" },
};

type Reader<Said> = (text: string) => Read<Said>;

function oneOf<Word extends string, Said>(
  words: readonly Word[],
  said: (word: Word) => Said,
): Reader<Said> {
  return (text) => {
    const word = words.find((one) => one === text);
    return word === undefined
      ? { problem: `expected ${words.join(" or ")}` }
      : { value: said(word) };
  };
}

function yesOrNo<Said>(said: (isSo: boolean) => Said): Reader<Said> {
  return (text) =>
    text === "true" || text === "false"
      ? { value: said(text === "true") }
      : { problem: "expected true or false" };
}

function wholeNumber<Said>(min: number, max: number, said: (n: number) => Said): Reader<Said> {
  return (text) => {
    const value = Number(text);
    const isGood = /^\d+$/.test(text) && value >= min && value <= max;
    return isGood
      ? { value: said(value) }
      : { problem: `expected a whole number from ${min} to ${max}` };
  };
}

/** Words of these with commas between them, each once. */
function listOf<Word extends string, Said>(
  known: readonly Word[],
  said: (words: readonly Word[]) => Said,
): Reader<Said> {
  return (text) => {
    const words = wordsIn(text);
    const found = words.flatMap((word) => known.filter((one) => one === word));
    return found.length === words.length && isEachOnce(words)
      ? { value: said(found) }
      : { problem: `expected a list of ${known.join(", ")}` };
  };
}

function protocolNames<Said>(said: (names: readonly string[]) => Said): Reader<Said> {
  return (text) => {
    const words = wordsIn(text);
    return words.every((word) => /^[a-z0-9./-]{1,255}$/.test(word)) && isEachOnce(words)
      ? { value: said(words) }
      : { problem: "expected a list of protocol names" };
  };
}

function wordsIn(text: string): readonly string[] {
  return text.split(",").map((word) => word.trim());
}

function isEachOnce(words: readonly string[]): boolean {
  return new Set(words).size === words.length;
}

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

const HANDLERS: readonly string[] = ["http", "tls", "proxy_proto"] satisfies EdgeHandler[];
const TLS_VERSIONS: readonly string[] = ["TLSv1.2", "TLSv1.3"] satisfies TlsVersion[];
const IDLE_TIMEOUT_SECONDS = 60;

/** Annotations about the whole Service. */
export const SERVICE_SETTINGS: Readonly<Record<string, (text: string) => Read<unknown>>> = {
  "concurrency-kind": oneOf(["connections", "requests"]),
  "concurrency-limit-soft": wholeNumber(1, 1_000_000),
  "concurrency-limit-hard": wholeNumber(1, 1_000_000),
  autostart: yesOrNo,
  autostop: oneOf(["off", "stop"]),
  "min-machines-running": wholeNumber(0, 10_000),
};

/** Annotations about a port, after its name or number and a dash. */
export const PORT_SETTINGS: Readonly<Record<string, (text: string) => Read<unknown>>> = {
  handlers: listOf(HANDLERS),
  "tls-alpn": listOf(undefined),
  "tls-versions": listOf(TLS_VERSIONS),
  "tls-default-self-signed": yesOrNo,
  "force-https": yesOrNo,
  "proxy-proto-version": oneOf(["v1", "v2"]),
  "http-idle-timeout": wholeNumber(1, 86_400),
};

interface MadePort {
  readonly port: EdgePort;
  readonly problems: readonly string[];
}

/** A port from what its annotations say; what contradicts itself is left out and told. */
export function portFor(
  { name, port, protocol }: ServicePort,
  said: (setting: string) => unknown,
): MadePort {
  const of = <T>(setting: string): T | undefined => said(setting) as T | undefined;
  const problems: string[] = [];
  let handlers = of<readonly EdgeHandler[]>("handlers") ?? [];
  if (protocol !== "TCP" && handlers.length > 0) {
    problems.push(`handlers are for TCP, not for ${protocol}`);
    handlers = [];
  }
  if (handlers.includes("http") && handlers.includes("proxy_proto")) {
    problems.push("proxy_proto is left out: with http the headers tell who the client is");
    handlers = handlers.filter((handler) => handler !== "proxy_proto");
  }
  const needs = (setting: string, handler: EdgeHandler): boolean => {
    if (said(setting) === undefined || handlers.includes(handler)) return true;
    problems.push(`${setting} needs the handler ${handler}`);
    return false;
  };
  const isForced = of<boolean>("force-https") === true && needs("force-https", "http");
  const isContradictory = isForced && handlers.includes("tls");
  if (isContradictory)
    problems.push("force-https is for plain HTTP, and this port has the handler tls");
  const tlsSettings = ["tls-alpn", "tls-versions", "tls-default-self-signed"];
  const hasTls = tlsSettings.map((setting) => needs(setting, "tls")).every(Boolean);
  needs("proxy-proto-version", "proxy_proto");
  needs("http-idle-timeout", "http");
  return {
    problems,
    port: {
      name,
      port,
      protocol,
      handlers,
      forceHttps: isForced && !isContradictory,
      tls: {
        alpn: (hasTls ? of<readonly string[]>("tls-alpn") : undefined) ?? [],
        versions: of<readonly TlsVersion[]>("tls-versions") ?? ["TLSv1.2", "TLSv1.3"],
        defaultSelfSigned: of<boolean>("tls-default-self-signed") ?? false,
      },
      proxyProtocol: of<"v1" | "v2">("proxy-proto-version") ?? "v2",
      idleTimeoutSeconds: of<number>("http-idle-timeout") ?? IDLE_TIMEOUT_SECONDS,
    },
  };
}

function oneOf(values: readonly string[]): (text: string) => Read<string> {
  return (text) =>
    values.includes(text) ? { value: text } : { problem: `expected ${values.join(" or ")}` };
}

function yesOrNo(text: string): Read<boolean> {
  return text === "true" || text === "false"
    ? { value: text === "true" }
    : { problem: "expected true or false" };
}

function wholeNumber(min: number, max: number): (text: string) => Read<number> {
  return (text) => {
    const value = Number(text);
    const isGood = /^\d+$/.test(text) && value >= min && value <= max;
    return isGood ? { value } : { problem: `expected a whole number from ${min} to ${max}` };
  };
}

/** Words with commas between them, each once; any words where `known` is undefined. */
function listOf(known: readonly string[] | undefined): (text: string) => Read<readonly string[]> {
  return (text) => {
    const words = text.split(",").map((word) => word.trim());
    const isGood = words.every(
      (word) => known?.includes(word) ?? /^[a-z0-9./-]{1,255}$/.test(word),
    );
    if (!isGood || new Set(words).size !== words.length) {
      return { problem: `expected a list of ${known?.join(", ") ?? "protocol names"}` };
    }
    return { value: words };
  };
}

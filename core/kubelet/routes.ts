/** A request to the kubelet API as data; names are not checked against anything yet. */
export type KubeletRequest =
  | ({ readonly to: "logs" } & ContainerAddress)
  | ({ readonly to: "exec"; readonly command: readonly string[] } & ContainerAddress & Streams)
  | ({ readonly to: "attach" } & ContainerAddress & Streams)
  | ({ readonly to: "run"; readonly command: readonly string[] } & ContainerAddress)
  | ({ readonly to: "portForward"; readonly ports: readonly string[] } & PodAddress)
  | ({ readonly to: "checkpoint" } & ContainerAddress)
  | { readonly to: "summary"; readonly onlyCpuAndMemory: boolean }
  | { readonly to: PlainPath };

/** Paths without anything else to say. */
type PlainPath =
  | "pods"
  | "runningPods"
  | "healthz"
  | "configz"
  | "metrics"
  | "resourceMetrics"
  | "cadvisorMetrics";

/** What a request that answers with a path and a method leads to. */
export type Route =
  | { readonly ok: true; readonly request: KubeletRequest }
  | { readonly ok: false; readonly status: 404 | 405; readonly message: string };

export interface PodAddress {
  readonly namespace: string;
  readonly pod: string;
  /** Only in the longer shape of the path; it must be the Pod's own. */
  readonly uid?: string;
}

export interface ContainerAddress extends PodAddress {
  /** Empty: the Pod's default container. */
  readonly container: string;
}

/** Which streams the caller wants. With a terminal there is no `stderr`. */
export interface Streams {
  readonly stdin: boolean;
  readonly stdout: boolean;
  readonly stderr: boolean;
  readonly tty: boolean;
}

const PLAIN: Readonly<Record<string, PlainPath>> = {
  "/pods": "pods",
  "/runningpods": "runningPods",
  "/healthz": "healthz",
  "/healthz/ping": "healthz",
  "/healthz/log": "healthz",
  "/healthz/syncloop": "healthz",
  "/configz": "configz",
  "/metrics": "metrics",
  "/metrics/resource": "resourceMetrics",
  "/metrics/cadvisor": "cadvisorMetrics",
};

const METHODS: Readonly<Record<KubeletRequest["to"], readonly string[]>> = {
  logs: ["GET"],
  exec: ["GET", "POST"],
  attach: ["GET", "POST"],
  run: ["POST"],
  portForward: ["GET", "POST"],
  pods: ["GET"],
  runningPods: ["GET"],
  healthz: ["GET"],
  configz: ["GET"],
  metrics: ["GET"],
  resourceMetrics: ["GET"],
  cadvisorMetrics: ["GET"],
  // As in the kubelet, which once took options in a body.
  summary: ["GET", "POST"],
  checkpoint: ["POST"],
};

/** Reads method and URL. Total: a path nobody serves is 404, a wrong method 405. */
export function routeFor(method: string, url: URL): Route {
  const request = requestFor(url);
  if (request === undefined) return { ok: false, status: 404, message: "404 page not found" };
  if (!METHODS[request.to].includes(method)) {
    return { ok: false, status: 405, message: "405 method not allowed" };
  }
  return { ok: true, request };
}

function requestFor(url: URL): KubeletRequest | undefined {
  const trimmed = url.pathname.length > 1 ? url.pathname.replace(/\/$/, "") : url.pathname;
  const plain = Object.hasOwn(PLAIN, trimmed) ? PLAIN[trimmed] : undefined;
  if (plain !== undefined) return { to: plain };
  if (trimmed === "/stats/summary") {
    const only = url.searchParams.get("only_cpu_and_memory");
    return { to: "summary", onlyCpuAndMemory: only === "true" };
  }

  const [, to = "", ...encoded] = url.pathname.split("/");
  const segments = encoded.map(decoded);
  if (segments.includes(undefined)) return undefined;
  const names = segments.filter((name) => name !== undefined);
  const { searchParams: query } = url;
  if (to === "portForward") {
    const address = podAddressOf(names);
    return address && { to, ports: query.getAll("port"), ...address };
  }
  const address = containerAddressOf(names);
  return address && containerRequest(to, address, query);
}

function containerRequest(
  to: string,
  address: ContainerAddress,
  query: URLSearchParams,
): KubeletRequest | undefined {
  switch (to) {
    case "containerLogs":
      return { to: "logs", ...address };
    case "exec":
      return { to, command: query.getAll("command"), ...address, ...streamsOf(query) };
    case "attach":
      return { to, ...address, ...streamsOf(query) };
    case "run":
      return { to, command: (query.get("cmd") ?? "").split(" "), ...address };
    case "checkpoint":
      return address.uid === undefined ? { to, ...address } : undefined;
    default:
      return undefined;
  }
}

/** `{ns}/{pod}/{container}` or `{ns}/{pod}/{uid}/{container}`; the container may be empty. */
function containerAddressOf(names: readonly string[]): ContainerAddress | undefined {
  const [namespace = "", pod = "", third = "", fourth] = names;
  if (names.length < 3 || names.length > 4 || namespace === "" || pod === "") return undefined;
  if (fourth === undefined) return { namespace, pod, container: third };
  return { namespace, pod, uid: third, container: fourth };
}

/** `{ns}/{pod}` or `{ns}/{pod}/{uid}`. */
function podAddressOf(names: readonly string[]): PodAddress | undefined {
  const [namespace = "", pod = "", uid = ""] = names;
  if (names.length < 2 || names.length > 3 || namespace === "" || pod === "") return undefined;
  return uid === "" ? { namespace, pod } : { namespace, pod, uid };
}

/** The API server says `input`, `output`, `error`; people who call by hand say `stdin` and so on. */
function streamsOf(query: URLSearchParams): Streams {
  const isOn = (...names: readonly string[]): boolean =>
    names.some((name) => ["1", "true"].includes(query.get(name) ?? ""));
  const tty = isOn("tty");
  return {
    stdin: isOn("input", "stdin"),
    stdout: isOn("output", "stdout"),
    stderr: isOn("error", "stderr") && !tty,
    tty,
  };
}

function decoded(segment: string): string | undefined {
  try {
    return decodeURIComponent(segment);
  } catch {
    return undefined;
  }
}

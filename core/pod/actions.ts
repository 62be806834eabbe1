import type { ContainerBundle, Handler, ProbeSpec } from "../fly/machine-protocol.ts";
import type { Action, Container, HttpGet, PortRef, Probe } from "../kube/pod.ts";

/** What is to be asked of the container, and how often, with every number a kubelet would use. */
export function probesFor(container: Container): Pick<ContainerBundle, "probes"> {
  const startup = probeFor(container, container.startupProbe);
  const readiness = probeFor(container, container.readinessProbe);
  const liveness = probeFor(container, container.livenessProbe);
  if (startup === undefined && readiness === undefined && liveness === undefined) return {};
  return {
    probes: {
      ...(startup === undefined ? {} : { startup }),
      ...(readiness === undefined ? {} : { readiness }),
      ...(liveness === undefined ? {} : { liveness }),
    },
  };
}

export function hooksFor(container: Container): Pick<ContainerBundle, "hooks"> {
  const postStart = handlerFor(container, container.lifecycle?.postStart);
  const preStop = handlerFor(container, container.lifecycle?.preStop);
  if (postStart === undefined && preStop === undefined) return {};
  return {
    hooks: {
      ...(postStart === undefined ? {} : { postStart }),
      ...(preStop === undefined ? {} : { preStop }),
    },
  };
}

/** The port that is meant: itself, the container's port of that name, or undefined. */
export function portFor({ ports = [] }: Container, port: PortRef): number | undefined {
  if (typeof port === "number") return port;
  const named = ports.find(({ name }) => name === port)?.containerPort;
  // A kubelet takes text that is no name for a number.
  return named ?? (/^\d{1,5}$/.test(port) ? Number(port) : undefined);
}

/** The ports that probes and hooks of the container name. */
export function portRefsOf(container: Container): readonly PortRef[] {
  const { startupProbe, readinessProbe, livenessProbe, lifecycle } = container;
  const actions = [startupProbe, readinessProbe, livenessProbe];
  return [...actions, lifecycle?.postStart, lifecycle?.preStop].flatMap((action) => {
    const port = action?.httpGet?.port ?? action?.tcpSocket?.port;
    return port === undefined ? [] : [port];
  });
}

/** The defaults are the API server's own, for what comes from elsewhere. */
function probeFor(container: Container, probe: Probe | undefined): ProbeSpec | undefined {
  const handler = handlerFor(container, probe);
  if (probe === undefined || handler === undefined) return undefined;
  const grace = probe.terminationGracePeriodSeconds;
  return {
    handler,
    initialDelaySeconds: probe.initialDelaySeconds ?? 0,
    periodSeconds: probe.periodSeconds ?? 10,
    timeoutSeconds: probe.timeoutSeconds ?? 1,
    successThreshold: probe.successThreshold ?? 1,
    failureThreshold: probe.failureThreshold ?? 3,
    ...(grace === undefined ? {} : { terminationGracePeriodSeconds: grace }),
  };
}

function handlerFor(container: Container, action: Action | undefined): Handler | undefined {
  const { exec, httpGet, tcpSocket, grpc, sleep } = action ?? {};
  if (exec !== undefined) return { kind: "exec", command: exec.command ?? [] };
  if (httpGet !== undefined) return httpHandler(container, httpGet);
  if (tcpSocket !== undefined) {
    const port = portFor(container, tcpSocket.port);
    return port === undefined ? undefined : { kind: "tcp", ...hostOf(tcpSocket), port };
  }
  if (grpc !== undefined) return { kind: "grpc", port: grpc.port, service: grpc.service ?? "" };
  return sleep === undefined ? undefined : { kind: "sleep", seconds: sleep.seconds };
}

function httpHandler(container: Container, http: HttpGet): Handler | undefined {
  const port = portFor(container, http.port);
  if (port === undefined) return undefined;
  return {
    kind: "http",
    scheme: http.scheme?.toUpperCase() === "HTTPS" ? "https" : "http",
    ...hostOf(http),
    port,
    path: http.path ?? "/",
    headers: (http.httpHeaders ?? []).map(({ name, value }) => ({ name, value })),
  };
}

function hostOf({ host }: { readonly host?: string }): { readonly host?: string } {
  return host === undefined || host === "" ? {} : { host };
}

import type { Handler, ProbeSpec } from "../fly/machine-protocol.ts";
import type { Container } from "../kube/pod.ts";
import { probesFor } from "./actions.ts";

/** In Fly's words; times are seconds. */
interface HealthCheck {
  readonly name: string;
  readonly kind: "liveness";
  /** What becomes of the container then; its restart policy says what follows. */
  readonly unhealthy: "stop";
  readonly interval: number;
  readonly timeout: number;
  readonly grace_period: number;
  readonly success_threshold: number;
  readonly failure_threshold: number;
  readonly http?: {
    readonly port: number;
    readonly method: string;
    readonly path: string;
    readonly scheme: "http" | "https";
    readonly headers: readonly { readonly name: string; readonly value: string }[];
    readonly tls_skip_verify?: boolean;
  };
  readonly tcp?: { readonly port: number };
  readonly exec?: { readonly command: readonly string[] };
}

/**
 * The liveness probe as the public Machines API knows it: a check that stops the container, which its
 * restart policy then starts again. A check forgives failures where a probe waits, so a start's time
 * is a grace period.
 */
export function healthChecksFor(container: Container): {
  readonly healthchecks?: readonly HealthCheck[];
} {
  const { startup, liveness } = probesFor(container).probes ?? {};
  const means = liveness === undefined ? undefined : meansFor(liveness.handler);
  if (liveness === undefined || means === undefined) return {};
  const check: HealthCheck = {
    name: "liveness",
    kind: "liveness",
    unhealthy: "stop",
    interval: liveness.periodSeconds,
    timeout: liveness.timeoutSeconds,
    grace_period: liveness.initialDelaySeconds + (startup === undefined ? 0 : longest(startup)),
    success_threshold: liveness.successThreshold,
    failure_threshold: liveness.failureThreshold,
    ...means,
  };
  return { healthchecks: [check] };
}

/** How long a container may take to start at the longest. */
function longest({ initialDelaySeconds, periodSeconds, failureThreshold }: ProbeSpec): number {
  return initialDelaySeconds + periodSeconds * failureThreshold;
}

function meansFor(handler: Handler): Pick<HealthCheck, "http" | "tcp" | "exec"> | undefined {
  switch (handler.kind) {
    case "exec":
      return { exec: { command: handler.command } };
    case "tcp":
      return { tcp: { port: handler.port } };
    case "http": {
      const { port, path, scheme, headers } = handler;
      const https = scheme === "https" ? { tls_skip_verify: true } : {};
      return { http: { port, method: "GET", path, scheme, headers, ...https } };
    }
    case "grpc":
    case "sleep":
      return undefined;
  }
}

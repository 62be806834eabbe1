import type { ServerResponse } from "node:http";
import { FksError } from "#core/errors.ts";
import {
  cadvisorMetricsFor,
  resourceMetricsFor,
  scrapeFailedText,
} from "#core/kubelet/metrics-text.ts";
import type { KubeletRequest } from "#core/kubelet/routes.ts";
import { summaryFor } from "#core/kubelet/summary.ts";
import type { KubeletApiDeps, ListenOn } from "./deps.ts";
import { sendJson, sendText } from "./respond.ts";

type PlainRequest = Exclude<
  KubeletRequest,
  { readonly to: "logs" | "exec" | "attach" | "run" | "portForward" }
>;

/** The paths that answer at once. */
export async function sendPlain(
  deps: KubeletApiDeps,
  node: ListenOn,
  asked: PlainRequest,
  response: ServerResponse,
): Promise<void> {
  switch (asked.to) {
    case "healthz":
      return sendText(response, 200, "ok");
    case "pods":
      return sendJson(response, podListOf(deps.pods(node.name)));
    case "runningPods": {
      const pods = deps.pods(node.name);
      return sendJson(response, podListOf(pods.filter((pod) => deps.machineFor(pod))));
    }
    case "configz":
      return sendJson(response, { kubeletconfig: kubeletConfigurationFor(node) });
    case "metrics": {
      const text = await deps.metrics?.(node.name);
      if (text === undefined) return sendText(response, 404, "404 page not found");
      return sendText(response, 200, text);
    }
    case "resourceMetrics":
      return sendText(response, 200, await resourceMetrics(deps, node.name));
    case "cadvisorMetrics":
      return sendText(response, 200, cadvisorMetricsFor(await deps.usage(node.name)));
    case "summary":
      return sendJson(response, summaryFor(await deps.usage(node.name), deps.size(), asked));
    case "checkpoint": {
      const which = `${asked.namespace}/${asked.pod}/${asked.container}`;
      const why = "a container of a Machine cannot be checkpointed";
      return sendText(response, 501, `checkpointing of ${which} failed (${why})`);
    }
    default:
      return asked satisfies never;
  }
}

/** A reader tells by the numbers that there are none. */
async function resourceMetrics({ usage, log }: KubeletApiDeps, node: string): Promise<string> {
  try {
    return resourceMetricsFor(await usage(node));
  } catch (err) {
    if (!(err instanceof FksError)) throw err;
    log.warn("usage was not read", { node, err });
    return scrapeFailedText();
  }
}

function podListOf(items: readonly unknown[]): unknown {
  return { kind: "PodList", apiVersion: "v1", metadata: {}, items };
}

/** What of a KubeletConfiguration is true here. */
function kubeletConfigurationFor({ address, port }: ListenOn): unknown {
  return {
    kind: "KubeletConfiguration",
    apiVersion: "kubelet.config.k8s.io/v1beta1",
    address,
    port,
    authentication: { anonymous: { enabled: false }, webhook: { enabled: true } },
    authorization: { mode: "Webhook" },
    streamingConnectionIdleTimeout: "4h0m0s",
    registerNode: true,
    nodeLeaseDurationSeconds: 40,
    containerLogMaxSize: "10Mi",
  };
}

import type { ServerResponse } from "node:http";
import type { KubeletRequest } from "#core/kubelet/routes.ts";
import type { KubeletApiDeps, ListenOn } from "./deps.ts";
import { sendJson, sendText } from "./respond.ts";

type PlainRequest = Extract<
  KubeletRequest["to"],
  "pods" | "runningPods" | "healthz" | "configz" | "metrics"
>;

/** The paths that answer at once and from memory. */
export async function sendPlain(
  deps: KubeletApiDeps,
  node: ListenOn,
  to: PlainRequest,
  response: ServerResponse,
): Promise<void> {
  switch (to) {
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
    default:
      return to satisfies never;
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
  };
}

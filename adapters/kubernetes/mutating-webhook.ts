import { z } from "zod";
import { FksError } from "#core/errors.ts";
import type { KubernetesClient } from "./client.ts";
import { decoderOf, ignored } from "./decode.ts";
import type { Rule } from "./rights.ts";

const NAME = "fks-node-service-addresses";
const GROUP = "admissionregistration.k8s.io";
const PATH = `/apis/${GROUP}/v1/mutatingwebhookconfigurations/${NAME}`;
/** What a caller waits at most for an address. */
const TIMEOUT_SECONDS = 10;
const NAMESPACE_NAME = "kubernetes.io/metadata.name";

export const WEBHOOK_RULES: readonly Rule[] = [
  { apiGroups: [GROUP], resources: ["mutatingwebhookconfigurations"], verbs: ["create"] },
  {
    apiGroups: [GROUP],
    resources: ["mutatingwebhookconfigurations"],
    verbs: ["get", "patch"],
    resourceNames: [NAME],
  },
];

const configurationFrom = decoderOf(
  z.object({
    webhooks: z
      .array(z.object({ clientConfig: z.object({ url: z.url().optional() }) }))
      .default([]),
  }),
  "MutatingWebhookConfiguration",
);

/** Where the API server was told to ask last; undefined when it never was. */
export async function registeredUrl(
  client: KubernetesClient,
  signal: AbortSignal,
): Promise<string | undefined> {
  try {
    const { webhooks } = await client.get(PATH, configurationFrom, signal);
    return webhooks[0]?.clientConfig.url;
  } catch (error) {
    if (FksError.is(error, "NotFound")) return undefined;
    throw error;
  }
}

/** Has the API server ask `url`, whose certificate `ca` signed, about every new Service. Idempotent. */
export async function registerWebhook(
  client: KubernetesClient,
  { url, ca }: { readonly url: string; readonly ca: string },
  signal: AbortSignal,
): Promise<void> {
  await client.patch(
    {
      path: `${PATH}?fieldManager=fks-node&force=true`,
      type: "apply-patch",
      body: {
        apiVersion: `${GROUP}/v1`,
        kind: "MutatingWebhookConfiguration",
        metadata: { name: NAME, labels: { "app.kubernetes.io/managed-by": "fks-node" } },
        webhooks: webhooksFor(url, Buffer.from(ca).toString("base64")),
      },
    },
    ignored,
    signal,
  );
}

/** Nobody is asked any more: the API server gives addresses itself. Idempotent. */
export async function removeWebhook(client: KubernetesClient, signal: AbortSignal): Promise<void> {
  await client.remove(PATH, {}, signal).catch((error: unknown) => {
    if (!FksError.is(error, "NotFound")) throw error;
  });
}

/**
 * Only Services that are to get an address cost a call. Those of kube-system are the control plane's
 * own: they never wait for us, and get the address that the API server gave them afterwards.
 */
function webhooksFor(url: string, caBundle: string): readonly object[] {
  const common = {
    clientConfig: { url, caBundle },
    rules: [
      {
        apiGroups: [""],
        apiVersions: ["v1"],
        operations: ["CREATE", "UPDATE"],
        resources: ["services"],
        scope: "Namespaced",
      },
    ],
    matchPolicy: "Equivalent",
    matchConditions: [
      { name: "not-the-api-server", expression: NOT_THE_API_SERVER },
      { name: "gets-an-address", expression: GETS_AN_ADDRESS },
      { name: "had-none", expression: HAD_NONE },
    ],
    sideEffects: "NoneOnDryRun",
    reinvocationPolicy: "IfNeeded",
    timeoutSeconds: TIMEOUT_SECONDS,
    admissionReviewVersions: ["v1"],
  };
  return [
    {
      ...common,
      name: "service-addresses.fly.io",
      namespaceSelector: where("NotIn"),
      failurePolicy: "Fail",
    },
    {
      ...common,
      name: "service-addresses.kube-system.fly.io",
      namespaceSelector: where("In"),
      failurePolicy: "Ignore",
      timeoutSeconds: 2,
    },
  ];
}

function where(operator: "In" | "NotIn"): object {
  return { matchExpressions: [{ key: NAMESPACE_NAME, operator, values: ["kube-system"] }] };
}

/** A request with `generateName` only has no name. */
const NOT_THE_API_SERVER =
  "!(request.namespace == 'default' && has(request.name) && request.name == 'kubernetes')";
const GETS_AN_ADDRESS =
  "(!has(object.spec.type) || object.spec.type != 'ExternalName') && (!has(object.spec.clusterIP) || object.spec.clusterIP != 'None')";
const HAD_NONE =
  "request.operation == 'CREATE' || (has(oldObject.spec.type) && oldObject.spec.type == 'ExternalName')";

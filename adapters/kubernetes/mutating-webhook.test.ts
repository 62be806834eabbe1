import { expect, test } from "bun:test";
import { fakeApiServer, statusAnswer } from "#test/fakes/api-server.ts";
import { fakeClock } from "#test/fakes/clock.ts";
import { kubernetesClient } from "./client.ts";
import { registeredUrl, registerWebhook, removeWebhook } from "./mutating-webhook.ts";

const never = new AbortController().signal;
const URL_OF_OURS = "https://127.0.0.1:9443/service-addresses";

test("the API server asks about Services; those of kube-system never wait for us", async () => {
  await using api = fakeApiServer();
  const client = kubernetesClient({ server: api.url, clock: fakeClock() });
  let sent: unknown;
  api.answerOnce(
    "PATCH",
    /mutatingwebhookconfigurations\/fks-node-service-addresses\?/,
    async (r) => {
      sent = await r.json();
      return Response.json({});
    },
  );
  await registerWebhook(client, { url: URL_OF_OURS, ca: "PEM" }, never);
  const clientConfig = { url: URL_OF_OURS, caBundle: btoa("PEM") };
  const values = ["kube-system"];
  expect(sent).toMatchObject({
    webhooks: [
      {
        clientConfig,
        failurePolicy: "Fail",
        sideEffects: "NoneOnDryRun",
        namespaceSelector: { matchExpressions: [{ operator: "NotIn", values }] },
      },
      {
        clientConfig,
        failurePolicy: "Ignore",
        namespaceSelector: { matchExpressions: [{ operator: "In", values }] },
      },
    ],
  });
});

test("where it asks is known again after a restart, and can be taken back", async () => {
  await using api = fakeApiServer();
  const client = kubernetesClient({ server: api.url, clock: fakeClock() });
  const path = /mutatingwebhookconfigurations/;
  api.answerOnce("GET", path, () =>
    Response.json({ webhooks: [{ clientConfig: { url: URL_OF_OURS } }] }),
  );
  expect(await registeredUrl(client, never)).toBe(URL_OF_OURS);
  api.answerOnce("GET", path, () => statusAnswer(404, "NotFound", "none"));
  expect(await registeredUrl(client, never)).toBeUndefined();
  api.answerOnce("DELETE", path, () => statusAnswer(404, "NotFound", "none"));
  await removeWebhook(client, never);
});

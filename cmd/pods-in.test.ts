import { expect, test } from "bun:test";
import { FksError } from "#core/errors.ts";
import { podsIn } from "./pods-in.ts";

const POD = `
apiVersion: v1
kind: Pod
metadata: { name: web, namespace: shop }
spec: { containers: [{ name: app, image: nginx }] }
`;

const DEPLOYMENT = `
apiVersion: apps/v1
kind: Deployment
metadata: { name: front }
spec:
  template:
    metadata: { labels: { app: front } }
    spec: { containers: [{ name: app, image: nginx }] }
`;

const CRON_JOB = `
apiVersion: batch/v1
kind: CronJob
metadata: { name: nightly }
spec:
  jobTemplate: { spec: { template: { spec: { containers: [{ name: job, image: busybox }] } } } }
`;

const SERVICE = "apiVersion: v1\nkind: Service\nmetadata: { name: web }\n";

function sentenceOf(text: string): string {
  try {
    podsIn(text, "app.yaml");
    return "";
  } catch (error) {
    return FksError.is(error, "InvalidInput") ? error.message : String(error);
  }
}

test("Pods are found by themselves, in templates and in lists", () => {
  const list = JSON.stringify({
    kind: "List",
    items: [
      {
        kind: "Pod",
        metadata: { name: "in-list" },
        spec: { containers: [{ name: "a", image: "b" }] },
      },
    ],
  });
  const { pods, others } = podsIn([POD, DEPLOYMENT, CRON_JOB, SERVICE, list].join("\n---\n"), "f");

  expect(pods.map(({ owner }) => owner)).toEqual([
    "Pod shop/web",
    "Deployment default/front",
    "CronJob default/nightly",
    "Pod default/in-list",
  ]);
  expect(pods[1]?.pod.metadata).toMatchObject({ name: "front", labels: { app: "front" } });
  expect(others).toEqual(["Service default/web"]);
});

test.each([
  [
    "kind: [",
    "app.yaml:1: Flow sequence in block collection must be sufficiently indented and end with a ]",
  ],
  [`${POD}---\nmetadata: {}\n`, "app.yaml:7: kind: expected a kind, such as Pod"],
  [
    "kind: Pod\nspec: {}\n",
    "app.yaml:1: Pod default/unnamed-00000: expected containers, each with a name and an image",
  ],
  [
    "kind: Job\nmetadata: {name: j}\n",
    "app.yaml:1: spec.template: expected object, received undefined",
  ],
  [SERVICE, "app.yaml holds nothing that makes Pods, only Service default/web"],
  ["", "app.yaml holds nothing that makes Pods"],
  ["just text", "app.yaml:1: expected object, received string"],
])("a mistake is named with its place: %p", (text, sentence) => {
  expect(sentenceOf(text)).toStartWith(sentence);
});

import { expect, test } from "bun:test";
import type { Namespace } from "../kube/namespace.ts";
import { APP_FINALIZER, APP_LABEL, appNameFor } from "./app-name.ts";
import { appChoiceFor, isClaimed } from "./namespace-app.ts";

const CLUSTER = "cluster-1";

function namespace(labels: Readonly<Record<string, string>>, uid = "n1"): Namespace {
  return {
    metadata: { name: "shop", uid, labels, annotations: {}, finalizers: [APP_FINALIZER] },
    spec: { finalizers: ["kubernetes"] },
    status: { phase: "Active" },
  };
}
const own = appNameFor({ name: "shop", uid: "n1" }, CLUSTER);

test.each([
  ["nothing", {}, { app: own, isAdopted: false }],
  ["its own App", { [APP_LABEL]: own }, { app: own, isAdopted: false }],
  ["an App of the user's", { [APP_LABEL]: "my-shop" }, { app: "my-shop", isAdopted: true }],
  [
    "the App of an earlier namespace, as copied manifests do",
    { [APP_LABEL]: appNameFor({ name: "shop", uid: "n0" }, CLUSTER) },
    { app: own, isAdopted: false },
  ],
])("a namespace whose label names %s", (_what, labels, expected) => {
  expect(appChoiceFor(namespace(labels), CLUSTER)).toEqual(expected);
});

test("another cluster's App is refused by its name", () => {
  const theirs = appNameFor({ name: "shop", uid: "n1" }, "cluster-2");
  expect(appChoiceFor(namespace({ [APP_LABEL]: theirs }), CLUSTER)).toEqual({
    refused: `label fly.io/app of namespace "shop": App "${theirs}" belongs to another cluster`,
  });
});

test("what cannot be an App is refused by its name", () => {
  expect(appChoiceFor(namespace({ [APP_LABEL]: "My_Shop" }), CLUSTER)).toEqual({
    refused: 'label fly.io/app of namespace "shop": App "My_Shop" is no name of an App',
  });
});

test("a namespace is claimed once label and finalizer are there", () => {
  expect(isClaimed(namespace({ [APP_LABEL]: own }), own)).toBe(true);
  expect(isClaimed(namespace({}), own)).toBe(false);
  const { metadata, ...rest } = namespace({ [APP_LABEL]: own });
  expect(isClaimed({ ...rest, metadata: { ...metadata, finalizers: [] } }, own)).toBe(false);
});

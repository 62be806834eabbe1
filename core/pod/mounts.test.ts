import { expect, test } from "bun:test";
import { assert, dictionary, property, string } from "fast-check";
import { mountsFor } from "./mounts.ts";

function partOf(expression: string, variables: Readonly<Record<string, string>>) {
  const volumeMounts = [{ name: "data", mountPath: "/data", subPathExpr: expression }];
  return mountsFor({ name: "c", image: "i", volumeMounts }, new Map(Object.entries(variables)));
}

test.each([
  ["$(A)/b", { A: "x" }, "x/b"],
  ["$$(A)", {}, "$(A)"],
  ["a", {}, "a"],
])("the part %j with %j is %j", (expression, variables, subPath) => {
  expect(partOf(expression, variables)).toMatchObject({ ok: true, mounts: [{ subPath }] });
});

test.each([
  ["$(A)/$(B)", { A: "x" }, 'missing value for "B"'],
  ["$(A)", { A: "/etc" }, "error SubPath `/etc` must not be an absolute path"],
  ["a/$(A)", { A: "../.." }, "unable to provision SubPath `a/../..`: must not contain '..'"],
])("the part %j with %j is refused", (expression, variables, message) => {
  expect(partOf(expression, variables)).toEqual({ ok: false, message });
});

test("whatever stands in the variables, no part leads out of the volume", () => {
  assert(
    property(string(), dictionary(string({ minLength: 1 }), string()), (expression, variables) => {
      const found = partOf(expression, variables);
      const [{ subPath = "" } = {}] = found.ok ? found.mounts : [];
      expect(subPath.startsWith("/") || subPath.split("/").includes("..")).toBe(false);
    }),
  );
});

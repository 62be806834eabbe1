import { expect, test } from "bun:test";
import { assert, property, string } from "fast-check";
import { FksError } from "../errors.ts";
import { type LabelRequirement, labelSelectorFor, selects } from "./label-selector.ts";

const WEB = { app: "web", tier: "front", "app.kubernetes.io/name": "web-1", empty: "" };

test.each([
  ["", true],
  ["app=web", true],
  ["app==web,tier=front", true],
  ["app = web , tier = front", true],
  ["app=db", false],
  ["app!=db", true],
  ["nothing!=db", true],
  ["app in (web, db)", true],
  ["app in (db),tier=front", false],
  ["app notin (db, cache)", true],
  ["nothing notin (db)", true],
  ["nothing in ()", false],
  ["app.kubernetes.io/name=web-1", true],
  ["app,!nothing", true],
  ["!app", false],
  ["nothing", false],
  ["empty=", true],
  ["constructor", false],
])("%p selects it: %p", (selector, isSelected) => {
  expect(labelSelectorFor(selector)(WEB)).toBe(isSelected);
});

test.each(["app=a=b", "=web", "app in web", "app in (a b)", ",", "app,", "app>1", "(a)"])(
  "%p is no selector",
  (selector) => {
    expect(() => labelSelectorFor(selector)).toThrow("unable to parse requirement");
  },
);

test("whatever the text, it is a selector or an input that is wrong", () => {
  assert(
    property(string(), (text) => {
      try {
        labelSelectorFor(text)(WEB);
      } catch (error) {
        expect(FksError.is(error, "InvalidInput")).toBe(true);
      }
    }),
  );
});

test.each<[LabelRequirement["operator"], string, string[], boolean]>([
  ["In", "app", ["web", "db"], true],
  ["In", "app", ["db"], false],
  ["In", "nothing", ["db"], false],
  ["NotIn", "app", ["db"], true],
  ["NotIn", "app", ["web"], false],
  ["NotIn", "nothing", ["db"], true],
  ["Exists", "app", [], true],
  ["Exists", "constructor", [], false],
  ["DoesNotExist", "nothing", [], true],
  ["DoesNotExist", "app", [], false],
])("%s %s %p selects it: %p", (operator, key, values, isSelected) => {
  const matchExpressions = [{ operator, key, values }];
  expect(selects({ matchLabels: {}, matchExpressions }, WEB)).toBe(isSelected);
  expect(selects({ matchLabels: { app: "db" }, matchExpressions }, WEB)).toBe(false);
});

test("an empty selector selects everything", () => {
  expect(selects({ matchLabels: {}, matchExpressions: [] }, WEB)).toBe(true);
});

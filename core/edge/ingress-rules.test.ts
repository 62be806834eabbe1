import { expect, test } from "bun:test";
import { array, assert, constantFrom, property, record, tuple } from "fast-check";
import type { Ingress, IngressPath } from "../kube/ingress.ts";
import { ingressRules } from "./ingress-rules.ts";

type Rule = readonly [host: string, pathType: IngressPath["pathType"], path: string];

/** Its backends are called by their place: `name/0`, `name/1`; the default one `name/default`. */
function ingress(name: string, rules: readonly Rule[], { age = 0, hasDefault = false } = {}) {
  const backend = (text: string) => ({
    service: { name: `${name}/${text}`, port: { number: 80 } },
  });
  return {
    metadata: {
      name,
      namespace: "default",
      uid: name,
      annotations: {},
      creationTimestamp: `2026-01-0${9 - age}T00:00:00Z`,
    },
    spec: {
      tls: [],
      ...(hasDefault && { defaultBackend: backend("default") }),
      rules: rules.map(([host, pathType, path], at) => ({
        host,
        paths: [{ path, pathType, backend: backend(`${at}`) }],
      })),
    },
    status: { loadBalancer: { ingress: [] } },
  } satisfies Ingress;
}
const asked = (ingresses: readonly Ingress[], host: string, path: string) =>
  ingressRules(ingresses)(host, path)?.backend.service?.name;

// Source: kubernetes.io, "Ingress", the table of examples.
test.each([
  ["Prefix", "/", "/anything", true],
  ["Exact", "/foo", "/foo", true],
  ["Exact", "/foo", "/bar", false],
  ["Exact", "/foo", "/foo/", false],
  ["Exact", "/foo/", "/foo", false],
  ["Prefix", "/foo", "/foo/", true],
  ["Prefix", "/foo/", "/foo", true],
  ["Prefix", "/foo/", "/foo/", true],
  ["Prefix", "/aaa/bb", "/aaa/bbb", false],
  ["Prefix", "/aaa/bbb/", "/aaa/bbb", true],
  ["Prefix", "/aaa/bbb", "/aaa/bbb/ccc", true],
  ["Prefix", "/aaa/bbb", "/aaa/bbbxyz", false],
] as const)("%s %s, asked for %s: %p", (pathType, path, request, isMatch) => {
  const found = asked([ingress("web", [["", pathType, path]])], "any.test", request);

  expect(found !== undefined).toBe(isMatch);
});

test("a wildcard is one label, an exact host comes before it, letters may be large", () => {
  const both = [
    ingress("web", [
      ["*.foo.test", "Prefix", "/"],
      ["a.foo.test", "Prefix", "/"],
    ]),
  ];

  expect(asked(both, "A.foo.test", "/")).toBe("web/1");
  expect(asked(both, "b.foo.test", "/")).toBe("web/0");
  expect(asked(both, "c.b.foo.test", "/")).toBeUndefined();
  expect(asked(both, "foo.test", "/")).toBeUndefined();
});

const HOSTS = ["", "a.test", "*.a.test", "b.a.test", "*.test"];
const PATHS = ["/", "/x", "/x/", "/x/y", "/xy"];
const rule = tuple(
  constantFrom(...HOSTS),
  constantFrom("Exact" as const, "Prefix" as const, "ImplementationSpecific" as const),
  constantFrom(...PATHS),
);
const one = record({
  rules: array(rule, { maxLength: 4 }),
  age: constantFrom(0, 1, 2),
  hasDefault: constantFrom(true, false),
});

test("whatever the rules, the one is asked that reading them one by one finds best", () => {
  assert(
    property(
      array(one, { maxLength: 4 }),
      constantFrom("a.test", "b.a.test", "c.a.test", "c.b.a.test", "test", ".test"),
      constantFrom(...PATHS, "/x/y/z", "/xyz"),
      (made, host, path) => {
        const ingresses = made.map(({ rules, ...of }, at) => ingress(`i${at}`, rules, of));

        expect(asked(ingresses, host, path)).toBe(naive(ingresses, host, path));
      },
    ),
    { numRuns: 2_000 },
  );
});

/** Label by label and element by element, as the API's words say. */
function naive(ingresses: readonly Ingress[], host: string, path: string): string | undefined {
  const labels = host.split(".");
  const rankOfHost = (pattern: string): number => {
    if (pattern === "") return 1;
    if (pattern === host) return 3;
    const wanted = pattern.split(".");
    const isWild =
      wanted[0] === "*" &&
      labels[0] !== "" &&
      wanted.length === labels.length &&
      wanted.slice(1).every((label, at) => label === labels[at + 1]);
    return isWild ? 2 : 0;
  };
  const oldestFirst = ingresses.toSorted((a, b) => {
    const keys = [a, b].map(({ metadata }) => metadata.creationTimestamp + metadata.name);
    return (keys[0] ?? "").localeCompare(keys[1] ?? "");
  });

  const rules = oldestFirst.flatMap(({ spec }) => spec.rules);
  const bestHost = Math.max(0, ...rules.map((each) => rankOfHost(each.host)));
  let best: { name: string | undefined; length: number; isExact: boolean } | undefined;
  for (const { host: pattern, paths } of rules) {
    if (bestHost === 0 || rankOfHost(pattern) !== bestHost) continue;
    for (const { path: wanted, pathType, backend } of paths) {
      const isExact = pathType === "Exact";
      const isMatch = isExact
        ? wanted === path
        : elements(wanted).every((element, at) => element === elements(path)[at]);
      const { length } = wanted;
      const isBetter =
        best === undefined ||
        length > best.length ||
        (length === best.length && isExact && !best.isExact);
      if (isMatch && isBetter) best = { name: backend.service?.name, length, isExact };
    }
  }
  const fallback = oldestFirst.find(({ spec }) => spec.defaultBackend !== undefined);
  return best?.name ?? fallback?.spec.defaultBackend?.service?.name;
}

function elements(path: string): readonly string[] {
  return path.split("/").filter((element) => element !== "");
}

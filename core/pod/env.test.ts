import { describe, expect, test } from "bun:test";
import { array, assert, constantFrom, property, record, string } from "fast-check";
import { aConfigMap, aSecret } from "#test/fixtures/objects.ts";
import { aPod } from "#test/fixtures/pod.ts";
import type { Container } from "../kube/pod.ts";
import { type EnvSources, envFor, skippedNamesFor } from "./env.ts";

const SOURCES: EnvSources = {
  podIP: "fdaa::2",
  hostIP: "fdaa::10",
  allocatable: { cpu: "2" },
  apiServer: { host: "fdaa::1", port: 6443 },
  services: [],
  configMaps: new Map([
    ["settings", aConfigMap({ COLOR: "blue", ref: "$(COLOR)" })],
    ["odd", aConfigMap({ "a=b": "1", constructor: "2", ok: "3" })],
  ]),
  secrets: new Map([["keys", aSecret({ COLOR: "red", word: "grüße" })]]),
};

function envOf(container: Partial<Container>, sources = SOURCES) {
  const pod = aPod({ containers: [container] });
  const [only = { name: "", image: "" }] = pod.spec.containers;
  return envFor(pod, only, sources);
}

function valuesOf(container: Partial<Container>) {
  const result = envOf(container);
  const env = result.ok ? result.env : [];
  return Object.fromEntries(env.map(({ name, value }) => [name, value]));
}

function refusalOf(container: Partial<Container>) {
  const result = envOf(container);
  return result.ok ? undefined : result.message;
}

const COLOR_OF = (name: string, optional?: boolean) => ({
  name: "A",
  valueFrom: {
    configMapKeyRef: { name, key: "COLOR", ...(optional === undefined ? {} : { optional }) },
  },
});

describe("a container's variables", () => {
  test("later sources win, `env` over all of them", () => {
    const envFrom = [{ configMapRef: { name: "settings" } }, { secretRef: { name: "keys" } }];
    expect(valuesOf({ envFrom })).toMatchObject({ COLOR: "red" });
    const env = [{ name: "COLOR", value: "$(COLOR)dish" }];
    expect(valuesOf({ envFrom, env })).toMatchObject({ COLOR: "reddish" });
  });

  test("what an object says is taken as it is written", () => {
    const envFrom = [{ configMapRef: { name: "settings" } }, { secretRef: { name: "keys" } }];
    expect(valuesOf({ envFrom })).toMatchObject({ ref: "$(COLOR)", word: "grüße" });
  });

  test("a prefix stands before every key, and may make a digit or a dot first", () => {
    const envFrom = [{ prefix: "1.", configMapRef: { name: "settings" } }];
    expect(valuesOf({ envFrom })).toMatchObject({ "1.COLOR": "blue", "1.ref": "$(COLOR)" });
  });

  test("names with `=` are skipped and told of", () => {
    const container = { envFrom: [{ configMapRef: { name: "odd" } }] };
    expect(valuesOf(container)).toMatchObject({ ok: "3", constructor: "2" });
    expect(skippedNamesFor(aPod({ containers: [container] }), SOURCES)).toEqual([
      { from: "configMap default/odd", names: ["a=b"] },
    ]);
  });

  test("an empty value beside a source is no value", () => {
    const env = [{ ...COLOR_OF("settings"), value: "" }];
    expect(valuesOf({ env })).toMatchObject({ A: "blue" });
  });

  test("optional ones that are not there are no variables", () => {
    const env = [COLOR_OF("gone", true), { name: "B", value: "$(A)" }];
    expect(valuesOf({ env })).toMatchObject({ B: "$(A)" });
    expect(valuesOf({ env })).not.toHaveProperty("A");
    expect(valuesOf({ envFrom: [{ secretRef: { name: "gone", optional: true } }] })).toEqual(
      valuesOf({}),
    );
  });

  test.each([
    [{ envFrom: [{ configMapRef: { name: "gone" } }] }, 'configmap "gone" not found'],
    [{ envFrom: [{ secretRef: { name: "gone" } }] }, 'secret "gone" not found'],
    [{ env: [COLOR_OF("gone")] }, 'configmap "gone" not found'],
    [
      {
        env: [
          { name: "A", valueFrom: { configMapKeyRef: { name: "settings", key: "constructor" } } },
        ],
      },
      "couldn't find key constructor in ConfigMap default/settings",
    ],
    [
      { env: [{ name: "A", valueFrom: { secretKeyRef: { name: "keys", key: "gone" } } }] },
      "couldn't find key gone in Secret default/keys",
    ],
    [
      { env: [{ name: "A", valueFrom: { fieldRef: { fieldPath: "toString" } } }] },
      "unsupported fieldPath: toString",
    ],
    [
      { env: [{ name: "A", valueFrom: { resourceFieldRef: { resource: "limits.gpu" } } }] },
      "unsupported container resource : limits.gpu",
    ],
  ] as const)("%j is refused in the kubelet's words", (container, message) => {
    expect(refusalOf(container)).toBe(message);
  });

  test("labels and annotations by their name, whatever it is", () => {
    const metadata = { labels: { constructor: "c" }, annotations: { "a/b": "d" } };
    const pod = aPod({ metadata });
    const valueOf = (fieldPath: string) => {
      const env = [{ name: "A", valueFrom: { fieldRef: { fieldPath } } }];
      const result = envFor(pod, { name: "c", image: "i", env }, SOURCES);
      return result.ok ? result.env.at(-1)?.value : undefined;
    };
    expect(valueOf("metadata.labels['constructor']")).toBe("c");
    expect(valueOf("metadata.labels['toString']")).toBe("");
    expect(valueOf("metadata.annotations['a/b']")).toBe("d");
  });

  const variable = record({
    name: constantFrom("A", "B", "C"),
    value: array(constantFrom("$(A)", "$(B)", "$$(C)", "x", "$"), { maxLength: 4 }).map((parts) =>
      parts.join(""),
    ),
  });

  test("each name stands once, and a value sees only what stands before it", () => {
    assert(
      property(array(variable, { maxLength: 6 }), (env) => {
        const names = Object.keys(valuesOf({ env }));
        const result = envOf({ env });
        expect(result.ok && result.env).toHaveLength(names.length);

        const cut = env.slice(0, -1);
        const last = env.at(-1)?.name;
        const [before, after] = [valuesOf({ env: cut }), valuesOf({ env })];
        for (const name of Object.keys(before)) {
          if (name !== last) expect(after[name]).toBe(before[name] ?? "");
        }
      }),
    );
  });

  test("no text of a Secret stands in a refusal", () => {
    assert(
      property(string({ minLength: 8, unit: constantFrom("q", "z", "7") }), (text) => {
        const secrets = new Map([["keys", aSecret({ word: text })]]);
        const env = [
          { name: "A", valueFrom: { secretKeyRef: { name: "keys", key: "word" } } },
          { name: "B", valueFrom: { secretKeyRef: { name: "keys", key: "gone" } } },
        ];
        const result = envOf({ env }, { ...SOURCES, secrets });
        expect(JSON.stringify(result)).not.toContain(text);
      }),
    );
  });
});

describe("variables of Services", () => {
  const kubernetes = { name: "kubernetes", clusterIP: "fdaa::99", ports: [{ port: 443 }] };
  const sources = { ...SOURCES, services: [kubernetes] };
  const hostIn = (namespace: string) => {
    const result = envFor(aPod({ metadata: { namespace } }), { name: "c", image: "i" }, sources);
    const env = result.ok ? result.env : [];
    return env.filter(({ name }) => name === "KUBERNETES_SERVICE_HOST").map(({ value }) => value);
  };

  test("the API server is where we say, and a namesake elsewhere is another Service", () => {
    expect(hostIn("default")).toEqual(["fdaa::1"]);
    expect(hostIn("other")).toEqual(["fdaa::99"]);
  });

  test("are no match for the container's own", () => {
    const web = { name: "web", clusterIP: "10.0.0.7", ports: [{ port: 80, protocol: "UDP" }] };
    const env = [{ name: "WEB_PORT", value: "was $(WEB_PORT)" }];
    expect(envOf({ env }, { ...SOURCES, services: [web] })).toMatchObject({
      env: expect.arrayContaining([{ name: "WEB_PORT", value: "was udp://10.0.0.7:80" }]),
    });
  });
});

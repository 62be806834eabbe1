import { expect, test } from "bun:test";
import { assert, constantFrom, dictionary, property, string } from "fast-check";
import { service } from "#test/fixtures/services.ts";
import type { ServicePort } from "../kube/service.ts";
import { edgeConfigFor } from "./edge-config.ts";

const PORTS: readonly ServicePort[] = [
  { name: "web", protocol: "TCP", port: 80, targetPort: 8080, nodePort: 0 },
  { name: "secure", protocol: "TCP", port: 443, targetPort: 8080, nodePort: 0 },
  { name: "dns", protocol: "UDP", port: 53, targetPort: 53, nodePort: 0 },
];

function read(said: Record<string, string>) {
  const made = service({ type: "LoadBalancer", clusterIP: "", clusterIPs: [], ports: PORTS });
  const annotations = Object.fromEntries(
    Object.entries(said).map(([key, value]) => [`service.fly.io/${key}`, value]),
  );
  return edgeConfigFor({ ...made, metadata: { ...made.metadata, annotations } });
}

test("without annotations every port passes bytes on", () => {
  const { config, problems } = read({ "sync-version": "17" });
  expect(problems).toEqual([]);
  expect(config.ports.map(({ port, handlers }) => [port, ...handlers])).toEqual([
    [80],
    [443],
    [53],
  ]);
  expect(config.concurrency).toEqual({ type: "connections", softLimit: 20 });
});

test("ports are named by name or number, and their settings read", () => {
  const { config, problems } = read({
    "web-handlers": "http",
    "80-force-https": "true",
    "443-handlers": "tls, http",
    "secure-tls-alpn": "h2,http/1.1",
    "secure-tls-versions": "TLSv1.3",
    "443-tls-default-self-signed": "true",
    "concurrency-kind": "requests",
    "concurrency-limit-soft": "50",
    "concurrency-limit-hard": "60",
    autostop: "stop",
    "min-machines-running": "1",
  });
  expect(problems).toEqual([]);
  expect(config.ports[0]).toMatchObject({ handlers: ["http"], forceHttps: true });
  expect(config.ports[1]).toMatchObject({
    handlers: ["tls", "http"],
    tls: { alpn: ["h2", "http/1.1"], versions: ["TLSv1.3"], defaultSelfSigned: true },
  });
  expect(config).toMatchObject({
    concurrency: { type: "requests", softLimit: 50, hardLimit: 60 },
    autostart: true,
    autostop: "stop",
    minMachinesRunning: 1,
  });
});

test.each<[Record<string, string>, string]>([
  [{ "web-handlers": "http", "80-handlers": "tls" }, "contradict each other"],
  [{ "web-handlers": "ftp" }, 'expected a list of http, tls, proxy_proto, not "ftp"'],
  [{ "web-handlers": "http,http" }, "expected a list"],
  [{ "nope-handlers": "http" }, 'names port "nope", which the Service does not have'],
  [{ "8080-handlers": "http" }, 'names port "8080"'],
  [{ "web-colour": "red" }, "is no annotation that is known"],
  [{ "dns-handlers": "http" }, "port 53: handlers are for TCP, not for UDP"],
  [{ "web-handlers": "http,proxy_proto" }, "port 80: proxy_proto is left out"],
  [{ "web-handlers": "tls,http", "web-force-https": "true" }, "force-https is for plain HTTP"],
  [{ "web-force-https": "true" }, "force-https needs the handler http"],
  [{ "web-tls-alpn": "h2" }, "tls-alpn needs the handler tls"],
  [{ "web-tls-default-self-signed": "yes" }, 'expected true or false, not "yes"'],
  [{ "concurrency-limit-soft": "30", "concurrency-limit-hard": "25" }, "below the soft limit"],
  [{ "concurrency-limit-hard": "0" }, "expected a whole number from 1"],
  [{ "concurrency-limit-hard": "1e3" }, "expected a whole number"],
  [{ "concurrency-kind": "cars" }, 'expected connections or requests, not "cars"'],
])("%j is told: %s", (annotations, sentence) => {
  const { problems } = read(annotations);
  expect(problems).toHaveLength(1);
  expect(problems[0]).toContain(sentence);
});

test("whatever is written, there is a configuration", () => {
  const keys = constantFrom("web-handlers", "80-handlers", "web-force-https", "autostop", "x");
  assert(
    property(dictionary(keys, string({ maxLength: 12 })), (annotations) => {
      expect(read(annotations).config.ports).toHaveLength(3);
    }),
    { numRuns: 300 },
  );
});

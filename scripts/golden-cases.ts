/** Rewrites what is expected in `test/golden`: Pods and their Machines, Machines and their Pods. */
import { dirname } from "node:path";
import { Glob, YAML } from "bun";
import { z } from "zod";
import { podFrom } from "#adapters/kubernetes/pod-codec.ts";
import type { Pod } from "#core/kube/pod.ts";
import { bundleFor } from "#core/pod/bundle.ts";
import type { CapabilitySet } from "#core/pod/fields/field.ts";
import { machineConfigFor, type Translation } from "#core/pod/machine-config.ts";
import { podStatusFor, type StatusSources } from "#core/pod/pod-status.ts";
import { statusPatchFor } from "#core/pod/status-patch.ts";
import { type Generated, writeOrCheck } from "./generated.ts";

const ROOT = "test/golden";
const NOW_MS = Date.parse("2026-11-24T08:00:00Z");

const CONTEXT = {
  clusterUid: "6f5c2a0e-0000-4000-8000-000000000001",
  hostIP: "fdaa:0:1:ffff::1:0",
  apiServer: { host: "fdaa:0:1:ffff::1", port: 6443 },
  dns: { nameservers: ["fdaa::3"], domain: "cluster.local" },
} as const;

const AS_EVER = { version: "1", isImmutable: false };

const SERVICES = [
  {
    name: "web-shop",
    clusterIP: "fdaa:0:1:fffe::7",
    ports: [
      { name: "http", port: 80, protocol: "TCP" },
      { name: "dns-udp", port: 53, protocol: "UDP" },
    ],
  },
  { name: "headless", clusterIP: "None", ports: [{ port: 80 }] },
];

const SOURCES = {
  ...CONTEXT,
  allocatable: { cpu: "4", memory: "8Gi", "ephemeral-storage": "20Gi", pods: "250" },
  configMaps: new Map([
    ["kube-root-ca.crt", configMap({ "ca.crt": "-- CA --" })],
    [
      "settings",
      configMap(
        { color: "blue", "log.level": "debug", "1st": "first" },
        { "logo.bin": btoa("\u0000\u00ff") },
      ),
    ],
  ]),
  secrets: new Map([
    ["keys", secret("Opaque", { password: "s3cret-password", "tls.key": "s3cret-key" })],
    [
      "registry",
      secret("kubernetes.io/dockerconfigjson", {
        ".dockerconfigjson": JSON.stringify({
          auths: {
            "https://index.docker.io/v1/": { auth: btoa("hub:s3cret-hub") },
            "*.example.com/team": { username: "team", password: "s3cret-team" },
            "reg.example.com:5000": { auth: btoa("reg:s3cret:reg") },
          },
        }),
      }),
    ],
    [
      "old-registry",
      secret("kubernetes.io/dockercfg", {
        ".dockercfg": JSON.stringify({
          "reg.example.com:5000/team/app": { username: "app", password: "s3cret-app" },
        }),
      }),
    ],
  ]),
  tokens: {
    get: (key: string) => ({ token: `token for ${key}`, expiresAt: "2026-11-24T09:00:00Z" }),
  },
};

function configMap(
  texts: Readonly<Record<string, string>>,
  base64: Readonly<Record<string, string>> = {},
) {
  const data = new Map(Object.entries(texts));
  return { data, binaryData: new Map(Object.entries(base64)), ...AS_EVER };
}

function secret(type: string, texts: Readonly<Record<string, string>>) {
  const data = new Map(Object.entries(texts).map(([key, text]) => [key, btoa(text)]));
  return { type, data, ...AS_EVER };
}

/** The folders of one kind, sorted. */
export function casesOf(kind: "pod-to-machine" | "machine-to-status"): readonly string[] {
  const found = [...new Glob("*/pod.yaml").scanSync(`${ROOT}/${kind}`)];
  return found.map((path) => `${ROOT}/${kind}/${dirname(path)}`).toSorted();
}

export async function podIn(folder: string): Promise<Pod> {
  return podFrom(await yamlIn(`${folder}/pod.yaml`));
}

/** What the folder's Pod becomes, file by file. */
export async function machineFilesFor(folder: string): Promise<readonly Generated[]> {
  const pod = await podIn(folder);
  const translated = (capabilities: CapabilitySet): Translation =>
    machineConfigFor(pod, { ...CONTEXT, capabilities });
  const services = pod.metadata.namespace === "shop" ? SERVICES : [];
  const sources = { ...SOURCES, services };
  const embedded = translated("machine-protocol");
  const machine = { private_ip: "fdaa:0:1:a7b:1:0:1:2", created_at: "2026-11-24T07:59:58.5Z" };
  const files = [
    json(`${folder}/embedded.json`, embedded),
    json(`${folder}/fly.json`, translated("fly")),
  ];
  return embedded.ok
    ? [...files, json(`${folder}/bundle.json`, bundleFor(pod, sources, machine))]
    : files;
}

/** What a `machine-to-status` folder says beside the Pod: `machine.yaml`. */
const sourcesSchema = z.custom<Omit<StatusSources, "hostIP" | "nowMs">>(
  (value) => typeof value === "object" && value !== null && "isLost" in value,
);

/** The status the folder's Machine gives its Pod, and the PATCH that says so. */
export async function statusFilesFor(folder: string): Promise<readonly Generated[]> {
  const pod = await podIn(folder);
  const sources = sourcesSchema.parse(await yamlIn(`${folder}/machine.yaml`));
  const status = podStatusFor(pod, { ...sources, hostIP: CONTEXT.hostIP, nowMs: NOW_MS });
  return [json(`${folder}/patch.json`, statusPatchFor(pod, status) ?? {})];
}

async function yamlIn(path: string): Promise<unknown> {
  return YAML.parse(await Bun.file(path).text());
}

function json(path: string, value: unknown): Generated {
  return { path, text: `${JSON.stringify(value, undefined, 2)}\n` };
}

if (import.meta.main) {
  const files = await Promise.all([
    ...casesOf("pod-to-machine").map(machineFilesFor),
    ...casesOf("machine-to-status").map(statusFilesFor),
  ]);
  process.exit(await writeOrCheck(files.flat()));
}

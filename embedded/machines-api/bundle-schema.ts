/** Bodies of the Machine protocol. */
import * as z from "zod";

const text = z.string();
const strings = z.array(text);
const count = z.number().int().nonnegative();
const port = z.number().int().min(1).max(65_535);
const id = z.number().int().nonnegative();
const pullPolicy = z.enum(["Always", "IfNotPresent", "Never"]);

const volumeFile = z.looseObject({
  path: text.refine(isInside, "must stay inside the volume"),
  mode: z.number().int(),
  uid: id.exactOptional(),
  content: text,
});

export const volumeFilesBody = z.array(volumeFile);

const handler = z.discriminatedUnion("kind", [
  z.looseObject({ kind: z.literal("exec"), command: strings }),
  z.looseObject({
    kind: z.literal("http"),
    scheme: z.enum(["http", "https"]),
    host: text.exactOptional(),
    port,
    path: text,
    headers: z.array(z.looseObject({ name: text, value: text })),
  }),
  z.looseObject({ kind: z.literal("tcp"), host: text.exactOptional(), port }),
  z.looseObject({ kind: z.literal("grpc"), port, service: text }),
  z.looseObject({ kind: z.literal("sleep"), seconds: count }),
]);

const probe = z.looseObject({
  handler,
  initialDelaySeconds: count,
  periodSeconds: count.min(1),
  timeoutSeconds: count.min(1),
  successThreshold: count.min(1),
  failureThreshold: count.min(1),
  terminationGracePeriodSeconds: count.exactOptional(),
});

const security = z.looseObject({
  runAsUser: id.exactOptional(),
  runAsGroup: id.exactOptional(),
  runAsNonRoot: z.boolean().exactOptional(),
  supplementalGroups: z.array(id).exactOptional(),
  strictGroups: z.boolean().exactOptional(),
  privileged: z.boolean().exactOptional(),
  capabilities: z.looseObject({ add: strings, drop: strings }).exactOptional(),
  noNewPrivileges: z.boolean().exactOptional(),
  readOnlyRootFilesystem: z.boolean().exactOptional(),
  seccomp: z
    .union([
      z.enum(["default", "unconfined"]),
      z.looseObject({ localhost: text.refine(isInside, "must stay inside the profiles' folder") }),
    ])
    .exactOptional(),
  unmaskedProc: z.boolean().exactOptional(),
});

const mount = z.looseObject({
  name: text,
  path: text,
  subPath: text.refine(isInside, "must stay inside the volume").exactOptional(),
  readOnly: z.boolean().exactOptional(),
});

const container = z.looseObject({
  refused: z.looseObject({ reason: text, message: text }).exactOptional(),
  env: z.array(z.looseObject({ name: text, value: text })).exactOptional(),
  entrypoint: strings.exactOptional(),
  cmd: strings.exactOptional(),
  workingDir: text.exactOptional(),
  imagePullPolicy: pullPolicy.exactOptional(),
  resources: z
    .looseObject({
      cpu_millis: z.number().positive().exactOptional(),
      memory_bytes: z.number().positive().exactOptional(),
      cpu_shares: z.number().int().min(2).max(262_144).exactOptional(),
    })
    .exactOptional(),
  restartOnResize: z.array(z.enum(["cpu", "memory"])).exactOptional(),
  oomScoreAdj: z.number().int().min(-1_000).max(1_000).exactOptional(),
  readOnlyMounts: strings.exactOptional(),
  mounts: z.array(mount).exactOptional(),
  probes: z
    .looseObject({
      startup: probe.exactOptional(),
      readiness: probe.exactOptional(),
      liveness: probe.exactOptional(),
    })
    .exactOptional(),
  hooks: z
    .looseObject({ postStart: handler.exactOptional(), preStop: handler.exactOptional() })
    .exactOptional(),
  security: security.exactOptional(),
  terminationMessage: z
    .looseObject({ path: text.startsWith("/", "must be absolute"), fallsBackToLogs: z.boolean() })
    .exactOptional(),
  stdin: z.boolean().exactOptional(),
  stdinOnce: z.boolean().exactOptional(),
  tty: z.boolean().exactOptional(),
  restartRules: z
    .array(
      z.looseObject({
        action: z.literal("restart"),
        operator: z.enum(["In", "NotIn"]),
        exitCodes: z.array(z.number().int()),
      }),
    )
    .exactOptional(),
});

export const addedBody = z.looseObject({
  image: text.min(1),
  target: text.exactOptional(),
  bundle: container,
});

export const endBody = z.looseObject({
  reason: text.min(1),
  message: text,
  disruption: text.exactOptional(),
  graceSeconds: count,
});

export const bundleBody = z.looseObject({
  containers: z.record(text, container),
  volumes: z.record(text, volumeFilesBody),
  images: z
    .record(text, z.looseObject({ image: text, imagePullPolicy: pullPolicy.exactOptional() }))
    .exactOptional(),
  hosts: z.array(z.looseObject({ ip: text, hostnames: strings })).exactOptional(),
  sysctls: z.record(text, text).exactOptional(),
  sharesProcesses: z.boolean().exactOptional(),
  fsGroup: id.exactOptional(),
  deadlineAt: text
    .refine((time) => !Number.isNaN(Date.parse(time)), "must be a time in RFC 3339")
    .exactOptional(),
  pullCredentials: z
    .array(z.looseObject({ match: text, username: text, password: text }))
    .exactOptional(),
});

function isInside(path: string): boolean {
  return path !== "" && !path.startsWith("/") && !path.split("/").includes("..");
}

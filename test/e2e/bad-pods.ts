/** Pods with values that are wrong, hostile or absurd, and what is said of each. */
/** Name, what is laid over the Pod's spec and over its container, words that say what is wrong. */
export type Bad = readonly [
  name: string,
  pod: object,
  container: object,
  words: string,
  reason?: string,
];

const mount = (mountPath: string, more: object = {}) => ({
  volumeMounts: [{ name: "v", mountPath, ...more }],
});
const volumes = [{ name: "v", emptyDir: {} }];
const limits = (limit: object) => ({ resources: { limits: limit } });

/** What the API server does not let in. */
export const REFUSED: readonly Bad[] = [
  ["no-containers", { containers: [] }, {}, "spec.containers: Required value"],
  ["no-image", {}, { image: "" }, "spec.containers[0].image: Required value"],
  ["image-number", {}, { image: 7 }, "cannot unmarshal number into Go struct field"],
  [
    "unknown-field",
    {},
    { imagePulPolicy: "Never" },
    'unknown field "spec.containers[0].imagePulPolicy"',
  ],
  ["pull-policy", {}, { imagePullPolicy: "Often" }, 'imagePullPolicy: Unsupported value: "Often"'],
  [
    "restart-policy",
    { restartPolicy: "Sometimes" },
    {},
    'spec.restartPolicy: Unsupported value: "Sometimes"',
  ],
  ["container-name", {}, { name: "No_Name" }, 'spec.containers[0].name: Invalid value: "No_Name"'],
  ["host-name", { hostname: "Web.1" }, {}, 'spec.hostname: Invalid value: "Web.1"'],
  ["deadline", { activeDeadlineSeconds: 0 }, {}, "spec.activeDeadlineSeconds: Invalid value: 0"],
  ["port", {}, { ports: [{ containerPort: 70_000 }] }, "containerPort: Invalid value: 70000"],
  ["env-name", {}, { env: [{ name: "A=B", value: "c" }] }, 'env[0].name: Invalid value: "A=B"'],
  [
    "env-both",
    {},
    { env: [{ name: "A", value: "b", valueFrom: { fieldRef: { fieldPath: "metadata.name" } } }] },
    "may not be specified when `value` is not empty",
  ],
  [
    "field-path",
    {},
    { env: [{ name: "A", valueFrom: { fieldRef: { fieldPath: "spec.secret" } } }] },
    'fieldPath: Invalid value: "spec.secret"',
  ],
  ["quantity", {}, limits({ memory: "lots" }), "quantities must match the regular expression"],
  ["negative", {}, limits({ cpu: "-1" }), "must be greater than or equal to 0"],
  [
    "request-above-limit",
    {},
    { resources: { requests: { cpu: 2 }, limits: { cpu: 1 } } },
    "must be less than or equal to cpu limit",
  ],
  ["mount-of-nothing", {}, mount("/v"), 'volumeMounts[0].name: Not found: "v"'],
  ["sub-path-up", { volumes }, mount("/v", { subPath: "../../etc" }), "must not contain '..'"],
  ["sub-path-root", { volumes }, mount("/v", { subPath: "/etc" }), "must be a relative path"],
  [
    "item-up",
    { volumes: [{ name: "v", configMap: { name: "c", items: [{ key: "k", path: "../k" }] } }] },
    {},
    "must not contain '..'",
  ],
  [
    "two-sources",
    { volumes: [{ name: "v", emptyDir: {}, hostPath: { path: "/" } }] },
    {},
    "may not specify more than 1 volume type",
  ],
  ["user", {}, { securityContext: { runAsUser: -1 } }, "runAsUser: Invalid value: -1"],
  [
    "sysctl-name",
    { securityContext: { sysctls: [{ name: "a b", value: "1" }] } },
    {},
    'sysctls[0].name: Invalid value: "a b"',
  ],
  [
    "probe",
    {},
    { livenessProbe: { exec: { command: [] } } },
    "livenessProbe.exec.command: Required value",
  ],
  [
    "probe-times",
    {},
    { readinessProbe: { tcpSocket: { port: 1 }, periodSeconds: -5 } },
    "periodSeconds: Invalid value: -5",
  ],
  ["hook", {}, { lifecycle: { preStop: {} } }, "must specify a handler type"],
  ["dns", { dnsPolicy: "None" }, {}, "must provide `dnsConfig` when `dnsPolicy` is None"],
  ["runtime-class", { runtimeClassName: "ghost" }, {}, 'RuntimeClass "ghost" not found'],
  ["account", { serviceAccountName: "ghost" }, {}, 'serviceaccount "ghost" not found'],
  ["priority", { priorityClassName: "ghost" }, {}, "no PriorityClass with name ghost was found"],
];

const CONFIG_ERROR = "CreateContainerConfigError";
const START_ERROR = "StartError";
const configMapKeyRef = { name: "kube-root-ca.crt", key: "ghost" };
const localhost = { type: "Localhost", localhostProfile: "ghost.json" };

/** What is let in and cannot run, with the container's reason and words of `kubectl describe`. */
export const STUCK: readonly Bad[] = [
  [
    "image-twice",
    {},
    { image: "web:1:2" },
    `InspectFailed.* couldn't parse image name "web:1:2": invalid reference format`,
    "InvalidImageName",
  ],
  [
    "image-case",
    {},
    { image: "Web" },
    "repository name \\(library/Web\\) must be lowercase",
    "InvalidImageName",
  ],
  ["no-program", {}, { command: ["/no/such"] }, 'exec: "/no/such": no such file', START_ERROR],
  ["a-folder", {}, { command: ["/bin"] }, 'exec: "/bin": permission denied', START_ERROR],
  ["nul", {}, { command: ["sh", "-c", "a\u0000b"] }, 'exec: "sh": invalid argument', START_ERROR],
  [
    "too-long",
    {},
    { env: [{ name: "A", value: "x".repeat(200_000) }] },
    "argument list too long",
    START_ERROR,
  ],
  [
    "work-in-file",
    {},
    { workingDir: "/bin/busybox" },
    "mkdir /bin/busybox: not a directory",
    START_ERROR,
  ],
  ["one-byte", {}, limits({ memory: "1" }), "Error: .*memory", START_ERROR],
  ["mount-root", { volumes }, mount("/"), "a mount at / hides the image", START_ERROR],
  [
    "capability",
    {},
    { securityContext: { capabilities: { add: ["NONSENSE"] } } },
    'unknown capability "NONSENSE"',
    START_ERROR,
  ],
  [
    "root",
    {},
    { securityContext: { runAsNonRoot: true } },
    "container has runAsNonRoot and image will run as root",
    CONFIG_ERROR,
  ],
  [
    "profile",
    {},
    { securityContext: { seccompProfile: localhost } },
    "cannot load seccomp profile .*ghost.json",
    "CreateContainerError",
  ],
  [
    "expression",
    { volumes },
    mount("/v", { subPathExpr: "$(GHOST)" }),
    'Error: missing value for "GHOST"',
    CONFIG_ERROR,
  ],
  [
    "key",
    {},
    { env: [{ name: "A", valueFrom: { configMapKeyRef } }] },
    "couldn't find key ghost in ConfigMap default/kube-root-ca.crt",
    CONFIG_ERROR,
  ],
  ["host", { hostPID: true }, {}, "spec.hostPID", CONFIG_ERROR],
  [
    "hook",
    {},
    { lifecycle: { postStart: { exec: { command: ["false"] } } } },
    "FailedPostStartHook|PostStartHook",
    "Error",
  ],
  // Strange, and no reason not to run: the mount stays inside, nobody needs a name.
  ["mount-colon", { volumes }, mount("/a:b"), "Started container", "Running"],
  ["grace", { terminationGracePeriodSeconds: -1 }, {}, "Started container", "Running"],
  ["mount-up", { volumes }, mount("/../../../tmp/hostile"), "Started container", "Running"],
  [
    "user-number",
    {},
    { securityContext: { runAsUser: 2_147_483_647 } },
    "Started container",
    "Running",
  ],
];

/** What no Node can take. */
export const HOMELESS: readonly Bad[] = [
  ["cpus", {}, limits({ cpu: "1000" }), "Insufficient cpu"],
  ["memory", {}, limits({ memory: "1Ei" }), "Insufficient memory"],
  ["devices", {}, limits({ "example.com/gpu": 1 }), "Insufficient example.com/gpu"],
];

import { DEFAULT_EVICTION_HARD } from "#core/eviction/thresholds.ts";

/** One setting: where it can be given and what it means. The schema is in config.ts. */
interface ConfigField {
  readonly key: string;
  /** As commander writes it; a setting without a flag would show a secret in the process list. */
  readonly flag?: string;
  /** In order of preference. */
  readonly env: readonly string[];
  readonly help: string;
}

/** Every setting, in the order `--help` shows them. */
export const CONFIG_FIELDS = [
  {
    key: "dataDir",
    flag: "--data-dir <dir>",
    env: ["FKS_DATA_DIR"],
    help: "where this cluster keeps everything (default: /var/lib/fks-node)",
  },
  {
    key: "name",
    flag: "--name <name>",
    env: ["FKS_NAME"],
    help: "name of the cluster, fixed at its first start (default: local)",
  },
  {
    key: "machines",
    flag: "--machines <where>",
    env: ["FKS_MACHINES"],
    help: "whose Machines run the Pods: embedded or fly (default: embedded)",
  },
  {
    key: "runtime",
    flag: "--runtime <runtime>",
    env: ["FKS_RUNTIME"],
    help: "what runs embedded Machines: crun, or none for states without processes (default: crun)",
  },
  {
    key: "limits",
    flag: "--limits <limits>",
    env: ["FKS_LIMITS"],
    help: "rate limits of the Machines API: fly or off (default: off; fly with --machines fly)",
  },
  {
    key: "regions",
    flag: "--regions <list>",
    env: ["FKS_REGIONS"],
    help: "regions separated by commas, one Node each (default: local-a,local-b)",
  },
  {
    key: "nodeCapacity",
    flag: "--node-capacity <list>",
    env: ["FKS_NODE_CAPACITY"],
    help: "what each Node offers: cpu=4,memory=8Gi,pods=250 (default: the host's, shared out)",
  },
  {
    key: "nodeLabels",
    flag: "--node-labels <list>",
    env: ["FKS_NODE_LABELS"],
    help: "labels of every Node: tier=front,example.com/pool=a",
  },
  {
    key: "nodeAnnotations",
    flag: "--node-annotations <list>",
    env: ["FKS_NODE_ANNOTATIONS"],
    help: "annotations of every Node: example.com/owner=ops; as JSON where a value has commas",
  },
  {
    key: "registerWithTaints",
    flag: "--register-with-taints <list>",
    env: ["FKS_REGISTER_WITH_TAINTS"],
    help: "taints that a Node is made with: dedicated=gpu:NoSchedule",
  },
  {
    key: "imageGcHighThreshold",
    flag: "--image-gc-high-threshold <percent>",
    env: ["FKS_IMAGE_GC_HIGH_THRESHOLD"],
    help: "how full the disk may get before unused images go; 100: they never do (default: 85)",
  },
  {
    key: "imageGcLowThreshold",
    flag: "--image-gc-low-threshold <percent>",
    env: ["FKS_IMAGE_GC_LOW_THRESHOLD"],
    help: "how full it is left then (default: 80)",
  },
  {
    key: "evictionHard",
    flag: "--eviction-hard <list>",
    env: ["FKS_EVICTION_HARD"],
    help: `below which of the host's resources Pods are evicted (default: ${DEFAULT_EVICTION_HARD})`,
  },
  {
    key: "machinesPort",
    flag: "--machines-port <port>",
    env: ["FKS_MACHINES_PORT"],
    help: "port of the embedded Machines API on 127.0.0.1 (default: 4280 or the next free one)",
  },
  {
    key: "statusPort",
    flag: "--status-port <port>",
    env: ["FKS_STATUS_PORT"],
    help: "port of the status API on 127.0.0.1 (default: 4290 or the next free one)",
  },
  {
    key: "edgeAddresses",
    flag: "--edge-addresses <list>",
    env: ["FKS_EDGE_ADDRESSES"],
    help: "addresses of this host at which LoadBalancer Services are published (default: 127.0.0.1,::1)",
  },
  {
    key: "resolvConf",
    flag: "--resolv-conf <file>",
    env: ["FKS_RESOLV_CONF"],
    help: "file with the name servers for names of others (default: /etc/resolv.conf)",
  },
  {
    key: "logLevel",
    flag: "--log-level <level>",
    env: ["FKS_LOG_LEVEL"],
    help: "debug, info, warn or error (default: info)",
  },
  {
    key: "logFormat",
    flag: "--log-format <format>",
    env: ["FKS_LOG_FORMAT"],
    help: "pretty, json, or auto: pretty on a terminal (default: auto)",
  },
  {
    key: "flyApiToken",
    env: ["FKS_FLY_API_TOKEN", "FLY_API_TOKEN"],
    help: "token for Fly's Machines API; environment or file only",
  },
  {
    key: "flapsBaseUrl",
    flag: "--flaps-base-url <url>",
    env: ["FKS_FLAPS_BASE_URL", "FLY_FLAPS_BASE_URL"],
    help: "base URL of the Machines API with --machines fly (default: https://api.machines.dev)",
  },
  {
    key: "org",
    flag: "--org <slug>",
    env: ["FKS_ORG", "FLY_ORG"],
    help: "Fly organisation that owns the Machines",
  },
  {
    key: "engine",
    flag: "--engine <engine>",
    env: ["FKS_ENGINE"],
    help: "control plane, fixed at the first start: k3s, upstream, or auto: k3s where it can be had (default: auto)",
  },
  {
    key: "k3sBin",
    flag: "--k3s-bin <file>",
    env: ["FKS_K3S_BIN"],
    help: "K3s' executable (default: k3s on PATH, else the pinned release, fetched once and cached)",
  },
  {
    key: "k3sReleases",
    flag: "--k3s-releases <url>",
    env: ["FKS_K3S_RELEASES"],
    help: "where K3s' releases are fetched from (default: https://github.com/k3s-io/k3s/releases/download)",
  },
  {
    key: "startTimeout",
    flag: "--start-timeout <seconds>",
    env: ["FKS_START_TIMEOUT"],
    help: "how long the control plane may take to get ready before it is started anew (default: 120)",
  },
  {
    key: "kubeBin",
    flag: "--kube-bin <file>",
    env: ["FKS_KUBE_BIN"],
    help: "executable with the upstream parts (default: built once and cached)",
  },
] as const satisfies readonly ConfigField[];

import { describe, expect, test } from "bun:test";
import { networkPlanFor } from "#core/fly/network.ts";
import { type K3sArgs, k3sArgs } from "./args.ts";
import { k3sFilesIn } from "./files.ts";

const NETWORK = networkPlanFor("00010002");
const GIVEN: K3sArgs = {
  plan: {
    clusterName: "demo",
    address: NETWORK.apiServer,
    port: 6443,
    serviceRange: NETWORK.serviceRange,
  },
  files: k3sFilesIn("/d/k3s"),
  tokenFile: "/d/tokens/k3s",
  minor: 36,
  isRoot: true,
};
const MINORS = [34, 35, 36, 37] as const;
/** Every K3s that is to be started alike. */
const EVERYWHERE = MINORS.flatMap((minor) => [true, false].map((isRoot) => ({ minor, isRoot })));

/** What stands behind `--<flag>=`; for a flag without a value, an empty text. */
function valuesOf(flag: string, args: readonly string[]): string[] {
  return args
    .filter((arg) => arg === flag || arg.startsWith(`${flag}=`))
    .map((arg) => arg.slice(flag.length + 1));
}

const COMPONENTS = ["kube-apiserver", "kube-controller-manager", "kube-scheduler"] as const;
const API_SERVER = "--kube-apiserver-arg";
const CONTROLLER_MANAGER = "--kube-controller-manager-arg";
const SCHEDULER = "--kube-scheduler-arg";

describe("given everywhere:", () => {
  test.each([
    ["--disable-agent", "", "no kubelet and no Node of its own"],
    ["--data-dir", "/d/k3s", "and nothing is unpacked into /var/lib/rancher"],
    ["--config", "/d/k3s/config.yaml", "so that the host's is not read"],
    ["--token-file", "/d/tokens/k3s", "another token cannot read the datastore"],
    ["--node-name", "control-plane.fks-node", "no region has a dot in its name"],
    ["--node-ip", "fdaa:1:2:ffff::1", "without it a default route is needed"],
    [
      "--disable",
      "coredns,servicelb,traefik,local-storage,metrics-server,runtimes",
      "nothing is deployed; role bindings stay",
    ],
    ["--disable-cloud-controller", "", "or the scheduler waits for ever"],
    ["--disable-kube-proxy", "", "there is no agent to run one"],
    ["--disable-network-policy", "", "there is no agent to heed one"],
    ["--disable-helm-controller", "", "no charts"],
    ["--flannel-backend", "none", "or CNI programs are needed to start"],
    ["--egress-selector-mode", "disabled", "or logs and exec fail on virtual Nodes"],
    ["--cluster-cidr", "fdaa:1:2::/48", "the network's own; no Node gets a part of it"],
    ["--service-cidr", "fdaa:1:2:0:1::/112", "the cluster's"],
    ["--cluster-dns", "fdaa::3", "our responder's, the same in every network"],
    ["--cluster-domain", "cluster.local", "also in the issuer of tokens: never to change"],
    ["--bind-address", "fdaa:1:2:ffff::1", "the cluster's own address, and loopback"],
    ["--advertise-address", "fdaa:1:2:ffff::1", "of the family of the service range"],
    ["--tls-san", "fdaa:1:2:ffff::1", "the name that every client uses"],
    ["--https-listen-port", "6443", "the plan's"],
    ["--write-kubeconfig", "/d/k3s/k3s.yaml", "not below /etc"],
    ["--write-kubeconfig-mode", "0600", "it is the administrator's"],
    ["--etcd-disable-snapshots", "", "the datastore is SQLite"],
  ])("%s %s (%s)", (flag, value) => {
    for (const where of EVERYWHERE) {
      expect(valuesOf(flag, k3sArgs({ ...GIVEN, ...where }))).toEqual([value]);
    }
  });

  test.each([
    [API_SERVER, "enable-aggregator-routing=true", "without kube-proxy no ClusterIP is reachable"],
    [API_SERVER, "profiling=false", "as with the upstream parts"],
    [CONTROLLER_MANAGER, "secure-port=0", "two clusters on one host would want the same port"],
    [CONTROLLER_MANAGER, "allocate-node-cidrs=false", "virtual Nodes have no Pod ranges"],
    [CONTROLLER_MANAGER, "node-monitor-grace-period=120s", "a kubelet role may restart"],
    [CONTROLLER_MANAGER, "cluster-name=demo", "as with the upstream parts"],
    [CONTROLLER_MANAGER, "profiling=false", "as with the upstream parts"],
    [CONTROLLER_MANAGER, "kube-api-qps=300", "as with the upstream parts"],
    [CONTROLLER_MANAGER, "kube-api-burst=600", "as with the upstream parts"],
    [SCHEDULER, "secure-port=0", "two clusters on one host would want the same port"],
    [SCHEDULER, "profiling=false", "as with the upstream parts"],
    [SCHEDULER, "kube-api-qps=300", "as with the upstream parts"],
    [SCHEDULER, "kube-api-burst=600", "as with the upstream parts"],
  ])("%s=%s (%s)", (flag, value) => {
    for (const where of EVERYWHERE) {
      expect(valuesOf(flag, k3sArgs({ ...GIVEN, ...where }))).toContain(value);
    }
  });
});

describe("given where it belongs:", () => {
  test.each([
    [true, []],
    [false, [""]],
  ])("--rootless only without root (root: %p)", (isRoot, values) => {
    for (const minor of MINORS) {
      expect(valuesOf("--rootless", k3sArgs({ ...GIVEN, minor, isRoot }))).toEqual(values);
    }
  });

  test.each([
    [34, "*,bootstrapsigner,tokencleaner,-nodeipam,-route,-service,-cloud-node-lifecycle"],
    [35, "*,bootstrapsigner,tokencleaner,-nodeipam,-route,-service,-cloud-node-lifecycle"],
    [36, "*,bootstrapsigner,tokencleaner,-nodeipam,-route,-service,-cloud-node-lifecycle"],
    [37, "*,bootstrapsigner,tokencleaner,-nodeipam"],
    [38, "*,bootstrapsigner,tokencleaner,-nodeipam"],
  ])("Kubernetes 1.%d gets controllers=%s, all of which it knows", (minor, controllers) => {
    const args = k3sArgs({ ...GIVEN, minor });

    expect(valuesOf(CONTROLLER_MANAGER, args)).toContain(`controllers=${controllers}`);
  });
});

describe("never given:", () => {
  test.each([
    ["--log", "it would make two processes of one, and say ready at once"],
    ["--token", "a secret is no argument; --token-file names its file"],
    ["--agent-token", "nobody joins"],
    ["--server", "it joins nobody"],
    ["--datastore-endpoint", "the default is SQLite in the data directory"],
    ["--cluster-init", "its etcd wants Nodes that are not there"],
    ["--kine-tls", "the socket is its owner's only"],
    ["--secrets-encryption", "off as with the upstream parts; its rotation wants a Node"],
    ["--service-node-port-range", "the default; nothing listens there"],
    ["--tls-san-security", "on: no Node of ours has the server's address"],
    ["--enable-pprof", "before 1.37.1 strangers could read it"],
    ["--supervisor-metrics", "before 1.37.1 strangers could read it"],
    ["--prefer-bundled-bin", "no program of the host is used"],
    ["--lb-server-port", "off beside an API server"],
    ["--write-kubeconfig-name", "unknown before 1.37"],
    ["--debug", "logs would fill the disk"],
  ])("%s (%s)", (flag) => {
    for (const where of EVERYWHERE) {
      expect(valuesOf(flag, k3sArgs({ ...GIVEN, ...where }))).toEqual([]);
    }
  });

  test.each([
    [API_SERVER, "default-not-ready-toleration-seconds", "300 as with the upstream parts"],
    [API_SERVER, "default-unreachable-toleration-seconds", "300 as with the upstream parts"],
    [API_SERVER, "endpoint-reconciler-type", "the kubernetes Service shows the server's address"],
    [API_SERVER, "etcd-compaction-interval", "the default of five minutes"],
    [API_SERVER, "event-ttl", "an hour as with the upstream parts"],
    [API_SERVER, "kubelet-preferred-address-types", "InternalIP comes first already"],
    [API_SERVER, "kubelet-certificate-authority", "server-ca already, which signs ours"],
    [API_SERVER, "service-node-port-range", "K3s sets it from its own flag"],
    [
      API_SERVER,
      "enable-admission-plugins",
      "NodeRestriction already; naming others would lose it",
    ],
    [API_SERVER, "feature-gates", "none is needed"],
    [API_SERVER, "anonymous-auth", "false already"],
    [CONTROLLER_MANAGER, "terminated-pod-gc-threshold", "12 500 as with the upstream parts"],
    [CONTROLLER_MANAGER, "leader-elect", "off already with SQLite"],
    [SCHEDULER, "leader-elect", "off already with SQLite"],
  ])("%s=%s (%s)", (flag, key) => {
    for (const where of EVERYWHERE) {
      const keys = valuesOf(flag, k3sArgs({ ...GIVEN, ...where })).map(keyOf);
      expect(keys).not.toContain(key);
    }
  });
});

test.each(EVERYWHERE)("nothing is given twice (%p)", (where) => {
  const args = k3sArgs({ ...GIVEN, ...where });
  const forComponents = COMPONENTS.map((component) => `--${component}-arg`);
  const own = args.map(keyOf).filter((flag) => !forComponents.includes(flag));

  expect(args[0]).toBe("server");
  expect(new Set(own).size).toBe(own.length);
  for (const flag of forComponents) {
    const keys = valuesOf(flag, args).map(keyOf);
    expect(new Set(keys).size).toBe(keys.length);
  }
});

test("two clusters on one host share no port, whatever their addresses", () => {
  const args = k3sArgs({ ...GIVEN, plan: { ...GIVEN.plan, port: 6445 } });

  expect(args.filter((arg) => /\b(6443|6444|10257|10259)\b/.test(arg))).toEqual([]);
  expect(valuesOf("--https-listen-port", args)).toEqual(["6445"]);
});

function keyOf(arg: string): string {
  return arg.split("=")[0] ?? "";
}

import ipaddr from "ipaddr.js";
import { RESOLVER } from "#core/fly/network.ts";
import type { ControlPlanePlan } from "../engine.ts";
import type { K3sFiles } from "./files.ts";

/** Of the server itself. Regions have no dots, so no Node of ours is ever called the same. */
const NODE_NAME = "control-plane.fks-node";

/** Nothing is deployed by K3s but its own role bindings. */
const DISABLED = ["coredns", "servicelb", "traefik", "local-storage", "metrics-server", "runtimes"];

/** The last minor whose controller-manager has controllers of its own for clouds. */
const LAST_MINOR_WITH_CLOUD_CONTROLLERS = 36;

export interface K3sArgs {
  readonly plan: ControlPlanePlan;
  readonly files: K3sFiles;
  /** Holds the secret of the token. */
  readonly tokenFile: string;
  /** Of Kubernetes: 36 for `v1.36.4+k3s1`. */
  readonly minor: number;
  readonly isRoot: boolean;
}

/** What follows K3s' name on its command line. Pure. */
export function k3sArgs({ plan, files, tokenFile, minor, isRoot }: K3sArgs): string[] {
  const { address, port, serviceRange } = plan;
  return [
    "server",
    `--data-dir=${files.folder}`,
    `--config=${files.config}`,
    `--token-file=${tokenFile}`,
    `--write-kubeconfig=${files.kubeconfig}`,
    "--write-kubeconfig-mode=0600",
    "--etcd-disable-snapshots",

    // Neither kubelet nor Node of its own. Beside it `rootless` starts nothing: it only keeps out
    // of /etc, which is not ours without root.
    "--disable-agent",
    ...(isRoot ? [] : ["--rootless"]),
    `--node-name=${NODE_NAME}`,
    `--node-ip=${address}`,

    `--disable=${DISABLED.join(",")}`,
    // Without this one, and `servicelb` above, the scheduler waits for a Node that a cloud has seen.
    "--disable-cloud-controller",
    "--disable-kube-proxy",
    "--disable-network-policy",
    "--disable-helm-controller",
    "--flannel-backend=none",
    // Kubelets and Pods are dialled directly; through a tunnel no virtual Node answers.
    "--egress-selector-mode=disabled",

    `--bind-address=${address}`,
    `--advertise-address=${address}`,
    `--https-listen-port=${port}`,
    // Before 1.37 the address that is advertised is missing from the first certificate.
    `--tls-san=${address}`,
    `--cluster-cidr=${networkOf(address)}`,
    `--service-cidr=${serviceRange}`,
    `--cluster-dns=${RESOLVER}`,
    "--cluster-domain=cluster.local",

    ...apiserverArgs().map((arg) => `--kube-apiserver-arg=${arg}`),
    ...controllerManagerArgs(plan, minor).map((arg) => `--kube-controller-manager-arg=${arg}`),
    ...clientArgs().map((arg) => `--kube-scheduler-arg=${arg}`),
  ];
}

function apiserverArgs(): string[] {
  return [
    // There is no kube-proxy on this host: webhooks and aggregated APIs are dialled at their endpoints.
    "enable-aggregator-routing=true",
    "profiling=false",
  ];
}

function controllerManagerArgs({ clusterName }: ControlPlanePlan, minor: number): string[] {
  const controllers = ["*", "bootstrapsigner", "tokencleaner", "-nodeipam"];
  // No cloud controller stands behind them; a name that it does not know ends the process.
  if (minor <= LAST_MINOR_WITH_CLOUD_CONTROLLERS) {
    controllers.push("-route", "-service", "-cloud-node-lifecycle");
  }
  return [
    ...clientArgs(),
    `cluster-name=${clusterName}`,
    `controllers=${controllers.join(",")}`,
    "allocate-node-cidrs=false",
    // Our Nodes live and die with this host: a silence is the API server's, and Ready must outlast it.
    "node-monitor-grace-period=120s",
  ];
}

/** What the two that are only clients of the API server have in common. */
function clientArgs(): string[] {
  return [
    // Their ports are the same in every K3s: two of them on one host would want the same.
    "secure-port=0",
    "profiling=false",
    "kube-api-qps=300",
    "kube-api-burst=600",
  ];
}

/** The /48 of everything in this network. Nothing is given out of it: it only says what is inside. */
function networkOf(address: string): string {
  return `${ipaddr.IPv6.networkAddressFromCIDR(`${address}/48`).toRFC5952String()}/48`;
}

import type { ControlPlanePlan } from "../engine.ts";
import type { PkiFiles } from "./files.ts";

export const CONTROLLER_MANAGER_PORT = 10_257;
export const SCHEDULER_PORT = 10_259;
const SERVICE_ACCOUNT_ISSUER = "https://kubernetes.default.svc.cluster.local";

/** What the four parts need to know of each other. */
export interface UpstreamPlan extends ControlPlanePlan {
  /** The database, and the path of the socket on which it is served. */
  readonly kine: { readonly database: string; readonly socket: string };
  readonly pki: PkiFiles;
}

/** kine: the API server's datastore in SQLite, on a unix socket. */
export function kineArgs({ kine }: UpstreamPlan): string[] {
  const pragmas = "_journal_mode=WAL&_busy_timeout=30000&_synchronous=NORMAL&_txlock=immediate";
  return [
    `--listen-address=unix://${kine.socket}`,
    `--endpoint=sqlite://${kine.database}?${pragmas}`,
    // Its default serves metrics on every interface.
    "--metrics-bind-address=0",
  ];
}

export function apiserverArgs({ address, port, serviceRange, kine, pki }: UpstreamPlan): string[] {
  const serving = pki.pair("apiserver");
  const kubelet = pki.pair("apiserver-kubelet-client");
  const frontProxy = pki.pair("front-proxy-client");
  return [
    `--etcd-servers=unix://${kine.socket}`,
    `--bind-address=${address}`,
    `--advertise-address=${address}`,
    `--secure-port=${port}`,
    `--tls-cert-file=${serving.cert}`,
    `--tls-private-key-file=${serving.key}`,
    `--service-cluster-ip-range=${serviceRange}`,
    "--allow-privileged=true",
    "--profiling=false",

    "--anonymous-auth=false",
    "--authorization-mode=Node,RBAC",
    "--enable-admission-plugins=NodeRestriction",
    "--enable-bootstrap-token-auth=true",
    `--client-ca-file=${pki.pair("client-ca").cert}`,

    `--service-account-issuer=${SERVICE_ACCOUNT_ISSUER}`,
    `--service-account-key-file=${pki.serviceAccountPublicKey}`,
    `--service-account-signing-key-file=${pki.serviceAccountKey}`,

    // Nobody resolves a Node's Hostname, which is the default.
    "--kubelet-preferred-address-types=InternalIP",
    `--kubelet-certificate-authority=${pki.pair("server-ca").cert}`,
    `--kubelet-client-certificate=${kubelet.cert}`,
    `--kubelet-client-key=${kubelet.key}`,

    // There is no kube-proxy on this host: webhooks and aggregated APIs are dialled at their endpoints.
    "--enable-aggregator-routing=true",
    `--requestheader-client-ca-file=${pki.pair("request-header-ca").cert}`,
    "--requestheader-allowed-names=front-proxy-client",
    "--requestheader-username-headers=X-Remote-User",
    "--requestheader-group-headers=X-Remote-Group",
    "--requestheader-extra-headers-prefix=X-Remote-Extra-",
    `--proxy-client-cert-file=${frontProxy.cert}`,
    `--proxy-client-key-file=${frontProxy.key}`,
  ];
}

export function controllerManagerArgs(plan: UpstreamPlan): string[] {
  const { clusterName, pki } = plan;
  const serverCa = pki.pair("server-ca");
  const clientCa = pki.pair("client-ca");
  return [
    ...clientArgs(plan, "controller-manager", CONTROLLER_MANAGER_PORT),
    `--cluster-name=${clusterName}`,
    // Without it there is no kube-root-ca.crt in any namespace.
    `--root-ca-file=${serverCa.cert}`,
    `--service-account-private-key-file=${pki.serviceAccountKey}`,
    "--use-service-account-credentials=true",
    // Our Nodes live and die with this host: a silence is the API server's, and Ready must outlast it.
    "--node-monitor-grace-period=120s",
    "--allocate-node-cidrs=false",
    // Nodes have no Pod ranges, and no cloud controller stands behind them.
    "--controllers=*,bootstrapsigner,tokencleaner,-nodeipam,-route,-service,-cloud-node-lifecycle",

    `--cluster-signing-kube-apiserver-client-cert-file=${clientCa.cert}`,
    `--cluster-signing-kube-apiserver-client-key-file=${clientCa.key}`,
    `--cluster-signing-kubelet-client-cert-file=${clientCa.cert}`,
    `--cluster-signing-kubelet-client-key-file=${clientCa.key}`,
    `--cluster-signing-kubelet-serving-cert-file=${serverCa.cert}`,
    `--cluster-signing-kubelet-serving-key-file=${serverCa.key}`,
    `--cluster-signing-legacy-unknown-cert-file=${serverCa.cert}`,
    `--cluster-signing-legacy-unknown-key-file=${serverCa.key}`,
  ];
}

export function schedulerArgs(plan: UpstreamPlan): string[] {
  return clientArgs(plan, "scheduler", SCHEDULER_PORT);
}

/** What the two that are only clients of the API server have in common. */
function clientArgs(
  { address, pki }: UpstreamPlan,
  name: "controller-manager" | "scheduler",
  port: number,
): string[] {
  const kubeconfig = pki.kubeconfig(name);
  return [
    `--kubeconfig=${kubeconfig}`,
    `--authentication-kubeconfig=${kubeconfig}`,
    `--authorization-kubeconfig=${kubeconfig}`,
    // The cluster's own address: two clusters on one host never want the same port.
    `--bind-address=${address}`,
    `--secure-port=${port}`,
    "--profiling=false",
    // There is one of each; a lease would only be written again and again.
    "--leader-elect=false",
    "--kube-api-qps=300",
    "--kube-api-burst=600",
  ];
}

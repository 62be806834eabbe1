import writeFileAtomic from "write-file-atomic";
import type { Clock } from "#core/ports/clock.ts";
import { type ControlPlane, serverUrl } from "../engine.ts";
import { kubeconfigText } from "../kubeconfig.ts";
import type { UpstreamPlan } from "./args.ts";
import { upstreamChildren } from "./children.ts";
import { ensurePki } from "./pki.ts";

interface UpstreamOptions {
  readonly plan: UpstreamPlan;
  /** The executable that carries the parts. */
  readonly kube: string;
  /** Of Kubernetes in it. */
  readonly version: string;
  readonly env: Readonly<Record<string, string>>;
  /** Children that make the plan's address before anything can listen on it. */
  readonly addressBy: readonly string[];
  readonly clock: Clock;
}

/** The upstream parts as a control plane; keys and certificates are made. Throws what `ensurePki` throws. */
export async function upstreamControlPlane(options: UpstreamOptions): Promise<ControlPlane> {
  const { plan, kube, version, env, addressBy, clock } = options;
  const { pki } = plan;
  await renew(plan, clock);
  return {
    engine: "upstream",
    version,
    program: kube,
    server: serverUrl(plan),
    children: upstreamChildren({ plan, kube, env, addressBy }),
    apiChild: "apiserver",
    databaseChild: "kine",
    database: plan.kine.database,
    admin: { ca: pki.pair("server-ca").cert, ...pki.pair("admin") },
    // Every part reads its certificates again when they change.
    upkeep: async () => ({ renewed: await renew(plan, clock) }),
  };
}

/** Issues what is missing or old, and the kubeconfigs of the parts that are clients. */
async function renew(plan: UpstreamPlan, clock: Clock): Promise<boolean> {
  const { pki, address } = plan;
  const firstOfServices = plan.serviceRange.replace(/::\/\d+$/, "::1");
  const issued = await ensurePki({ files: pki, addresses: [address, firstOfServices], clock });
  for (const name of ["controller-manager", "scheduler"] as const) {
    const { cert, key } = pki.pair(name);
    const text = kubeconfigText({
      name: plan.clusterName,
      server: serverUrl(plan),
      credentials: { caFile: pki.pair("server-ca").cert, certFile: cert, keyFile: key },
    });
    await writeFileAtomic(pki.kubeconfig(name), text, { mode: 0o600 });
  }
  return issued.length > 0;
}

import { canonicalIp, isInRange } from "../fly/ip.ts";

/** Says that a Service's ClusterIP is an address that its App has on Fly. */
export const ALLOCATOR_ANNOTATION = "fly.io/clusterip-allocator";
export const CONFIGURED = "configured";

/** What matters of a Service that is being made, or gets an address by an update. */
export interface ServiceClaim {
  readonly isDryRun: boolean;
  readonly type: string;
  /** "" for any. */
  readonly clusterIP: string;
  readonly ipFamilies: readonly string[];
  readonly ipFamilyPolicy: string;
}

export type Claim =
  /** The API server deals with it alone: nothing to give, or nothing we could. */
  { readonly do: "pass" } | { readonly do: "take"; readonly wanted?: string };

/** Whether a Service gets an address of its App, and which. `range` is the network's own. Pure. */
export function claimFor(service: ServiceClaim, range: string): Claim {
  const { isDryRun, type, clusterIP, ipFamilies, ipFamilyPolicy } = service;
  if (isDryRun || type === "ExternalName" || clusterIP === "None") return { do: "pass" };
  // The API server's own sentence tells that there is no IPv4 here.
  if (ipFamilies.includes("IPv4") || ipFamilyPolicy === "RequireDualStack") return { do: "pass" };
  if (clusterIP === "") return { do: "take" };

  const wanted = canonicalIp(clusterIP);
  return wanted !== undefined && isInRange(wanted, range) ? { do: "take", wanted } : { do: "pass" };
}

import type { ChildSpec } from "#core/supervisor/child.ts";
import type { RoleName } from "./role.ts";

interface RoleChild {
  readonly name: RoleName;
  /** Talks to the API server from the first moment on, and says goodbye to it at the end. */
  readonly afterApi: boolean;
  readonly graceMs: number;
}

/** Makes the host's addresses, so it comes before the API server that listens on one of them. */
const MACHINES_API: RoleChild = { name: "machines-api", afterApi: false, graceMs: 3_000 };

const KUBELET: RoleChild = { name: "kubelet", afterApi: true, graceMs: 3_000 };
const CLOUD_CONTROLLER: RoleChild = { name: "cloud-controller", afterApi: true, graceMs: 2_000 };
const DNS: RoleChild = { name: "dns", afterApi: true, graceMs: 2_000 };
const PROXY: RoleChild = { name: "proxy", afterApi: true, graceMs: 2_000 };

/** How this very program is started again for one of its roles. */
export interface Self {
  readonly command: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  socketOf(role: RoleName): string;
}

interface Children {
  /** Those before the control plane, and those after it. */
  readonly first: readonly ChildSpec[];
  readonly last: readonly ChildSpec[];
}

/**
 * Our own roles as children around the control plane, whose child `apiChild` answers for the API;
 * the embedded Machines API only where Machines are embedded. Pure.
 */
export function roleChildren(self: Self, machines: "embedded" | "fly", apiChild: string): Children {
  const child = ({ name, afterApi, graceMs }: RoleChild): ChildSpec => ({
    name,
    command: [...self.command, name],
    env: self.env,
    after: afterApi ? [apiChild] : [],
    probe: { kind: "http-on-unix-socket", path: self.socketOf(name), target: "/readyz" },
    startTimeoutMs: 60_000,
    graceMs,
  });
  return machines === "embedded"
    ? { first: [child(MACHINES_API)], last: [KUBELET, CLOUD_CONTROLLER, DNS, PROXY].map(child) }
    : { first: [], last: [child(KUBELET), child(CLOUD_CONTROLLER)] };
}

import type { PolicyPort } from "../kube/network-policy.ts";
import type { Protocol } from "../kube/service.ts";
import type { PolicyPod } from "./policy-pod.ts";

export interface PortRange {
  readonly protocol: Protocol;
  readonly from: number;
  /** Included. */
  readonly to: number;
}

const LAST_PORT = 65_535;

/**
 * The ports a rule means at a Pod that names ports as `pod` does; undefined: every port. A name that
 * the Pod does not have is no port.
 */
export function portsOf(
  ports: readonly PolicyPort[],
  pod?: PolicyPod,
): readonly PortRange[] | undefined {
  if (ports.length === 0) return undefined;
  return ports.flatMap(({ protocol, port, endPort }): PortRange[] => {
    if (port === undefined) return [{ protocol, from: 0, to: LAST_PORT }];
    if (typeof port === "number") return [{ protocol, from: port, to: endPort ?? port }];
    return (pod?.ports ?? [])
      .filter((named) => named.name === port && named.protocol === protocol)
      .map((named) => ({ protocol, from: named.port, to: named.port }));
  });
}

interface Variant {
  /** "" where no port of the rules has a name. */
  readonly key: string;
  readonly members: readonly PolicyPod[];
  /** One of the members: it names ports as all of them do. */
  readonly sample: PolicyPod;
}

/** Pods by what they mean with the names among `ports`. */
export function variantsOf(
  pods: readonly PolicyPod[],
  ports: readonly PolicyPort[],
): readonly Variant[] {
  const names = ports.filter(({ port }) => typeof port === "string");
  const keyOf = (pod: PolicyPod): string =>
    names
      .map((name) => `${name.port}=${(portsOf([name], pod) ?? []).map(({ from }) => from).join()}`)
      .join("&");
  return [...Map.groupBy(pods, keyOf)].flatMap(([key, members]) => {
    const [sample] = members;
    return sample === undefined ? [] : [{ key, members, sample }];
  });
}

import { expect, test } from "bun:test";
import type { Pod } from "../kube/pod.ts";
import { isUdpOnly } from "./udp-ports.ts";

function podWith(...ports: readonly { containerPort: number; protocol?: "TCP" | "UDP" }[]): Pod {
  return {
    metadata: { name: "dns", namespace: "default", uid: "u" },
    spec: { containers: [{ name: "app", image: "x", ports }] },
  };
}

test.each([
  ["one that is named for UDP", podWith({ containerPort: 53, protocol: "UDP" }), true],
  ["one that nobody names", podWith(), false],
  ["one without a protocol", podWith({ containerPort: 53 }), false],
  [
    "one that is named for both",
    podWith({ containerPort: 53, protocol: "UDP" }, { containerPort: 53, protocol: "TCP" }),
    false,
  ],
])("%s is for UDP alone: %#", (_which, pod, isOnly) => {
  expect(isUdpOnly(pod, 53)).toBe(isOnly);
});

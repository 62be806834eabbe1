import { describe, expect, test } from "bun:test";
import { evictionPod, MIB, podUsage } from "#test/fixtures/eviction.ts";
import type { Container } from "../kube/pod.ts";
import { exceededLimit, hasDiskLimit } from "./limits.ts";

const limited = (name: string, limit?: string): Container => ({
  name,
  image: "x",
  ...(limit === undefined ? {} : { resources: { limits: { "ephemeral-storage": limit } } }),
});

describe("a Pod's limits on the disk", () => {
  const one = evictionPod("one", { containers: [limited("main", "10Mi")] });
  const two = evictionPod("two", {
    containers: [limited("a", "10Mi"), limited("b", "1Gi")],
    volumes: [{ name: "data", emptyDir: {} }],
  });

  test("are kept by what is exactly as large, logs and volumes on disk counted", () => {
    const volumes = [
      { name: "data", usedBytes: 1_014 * MIB },
      { name: "shm", usedBytes: 900 * MIB, capacityBytes: 1_000 * MIB },
    ];
    const exact = [
      { name: "a", rootBytes: 4 * MIB, logBytes: 6 * MIB },
      { name: "b", rootBytes: 10 * MIB },
    ];
    expect(exceededLimit(podUsage(two, exact, volumes))).toBeUndefined();
    const more = volumes.map((volume) => ({ ...volume, usedBytes: volume.usedBytes + 1 }));
    expect(exceededLimit(podUsage(two, exact, more))).toBe(
      "Pod ephemeral local storage usage exceeds the total limit of containers 1034Mi. ",
    );
  });

  test("of a single container are its Pod's, and the Pod is named first", () => {
    expect(exceededLimit(podUsage(one, [{ rootBytes: 10 * MIB + 1 }]))).toBe(
      "Pod ephemeral local storage usage exceeds the total limit of containers 10Mi. ",
    );
  });

  test("of one container among several are its own", () => {
    expect(
      exceededLimit(podUsage(two, [{ name: "a", rootBytes: 9 * MIB, logBytes: 2 * MIB }])),
    ).toBe('Container a exceeded its local ephemeral storage limit "10Mi". ');
  });

  test("of an init container count while they are more than those of the others together", () => {
    const pod = evictionPod("init", {
      initContainers: [limited("init", "30Mi")],
      containers: [limited("main", "10Mi"), limited("free")],
    });
    expect(exceededLimit(podUsage(pod, [{ name: "init", rootBytes: 30 * MIB }]))).toBeUndefined();
    expect(exceededLimit(podUsage(pod, [{ name: "free", rootBytes: 31 * MIB }]))).toBe(
      "Pod ephemeral local storage usage exceeds the total limit of containers 30Mi. ",
    );
  });

  test("of a volume come first, on disk or in memory, and nothing is no limit", () => {
    const volumes = [
      { name: "free", emptyDir: { sizeLimit: "0" } },
      { name: "data", emptyDir: { sizeLimit: "5Mi" } },
    ];
    const pod = evictionPod("full", { ...one.spec, volumes });
    const used = (bytes: number) =>
      podUsage(
        pod,
        [{ rootBytes: 11 * MIB }],
        [
          { name: "free", usedBytes: 1 },
          { name: "data", usedBytes: bytes },
        ],
      );
    expect(exceededLimit(used(5 * MIB + 1))).toBe(
      'Usage of EmptyDir volume "data" exceeds the limit "5Mi". ',
    );
    expect(exceededLimit(used(5 * MIB))).toStartWith("Pod ephemeral");
  });

  test("are looked for only where there are some", () => {
    expect(hasDiskLimit(evictionPod("none"))).toBe(false);
    expect(hasDiskLimit(one)).toBe(true);
    expect(
      hasDiskLimit(evictionPod("v", { volumes: [{ name: "v", emptyDir: { sizeLimit: "1" } }] })),
    ).toBe(true);
  });
});

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { Pod } from "#core/kube/pod.ts";
import { type Bad, HOMELESS, REFUSED, STUCK } from "./bad-pods.ts";
import { type Cluster, startCluster } from "./cluster.ts";
import { loadImages } from "./images.ts";
import { podOf } from "./objects.ts";
import { eventually, type Ran } from "./process.ts";

const reasonOf = ({ status }: Pod): string | undefined => {
  const { waiting, terminated, running } = status?.containerStatuses?.[0]?.state ?? {};
  return running === undefined ? (terminated ?? waiting)?.reason : "Running";
};

describe.concurrent("Pods that ask for the impossible", () => {
  let cluster: Cluster;

  beforeAll(async () => {
    cluster = await startCluster();
    await loadImages(cluster);
  });
  afterAll(() => cluster?.close());

  const create = (bad: readonly Bad[]): Promise<Ran> => {
    // Object by object, so that the API server judges each for itself.
    const stdin = bad
      .map(([name, spec, container]) =>
        podOf(name, { spec: { restartPolicy: "Never", ...spec }, container }),
      )
      .map((pod) => JSON.stringify(pod))
      .join("\n");
    return cluster.tryKubectl(["create", "-f", "-"], { stdin });
  };

  /** Those of which kubectl describe says nothing that fits, with what it says. */
  const silent = async (): Promise<readonly string[]> => {
    const texts = STUCK.map(([name]) => cluster.kubectl(["describe", "pod", name]));
    const told = await Promise.all(texts);
    return STUCK.flatMap(([name, , , words], index) =>
      new RegExp(words).test(told[index]?.split("\nEvents:")[1] ?? "")
        ? []
        : [`${name}: ${told[index]}`],
    );
  };

  test("are refused by the API server with its own words", async () => {
    const { stderr, stdout } = await create(REFUSED);
    expect(stdout).toBe("");
    for (const [name, , , words] of REFUSED) expect(`${name}: ${stderr}`).toContain(words);
  });

  test("say in kubectl describe why they do not run", async () => {
    const { stderr } = await create(STUCK);
    expect(stderr).toBe("");
    await eventually("each has its reason", async () => {
      const { items } = await cluster.get<{ items: readonly Pod[] }>("pods");
      const wrong = STUCK.flatMap(([name, , , , reason]) => {
        const pod = items.find(({ metadata }) => metadata.name === name);
        const found = pod && reasonOf(pod);
        return found === reason ? [] : [`${name}: ${found} instead of ${reason}`];
      });
      if (wrong.length > 0) throw new Error(wrong.join("\n"));
      return true;
    });
    await eventually("each says why", async () => {
      const left = await silent();
      if (left.length > 0) throw new Error(left.join("\n"));
      return true;
    });
  });

  test("wait for a Node that has what they want, with the scheduler's reason", async () => {
    await create(HOMELESS);
    await eventually("the scheduler has said why", async () => {
      const { items } = await cluster.get<{ items: readonly Pod[] }>("pods");
      const said = (name: string) =>
        items
          .find(({ metadata }) => metadata.name === name)
          ?.status?.conditions?.find(({ reason }) => reason === "Unschedulable")?.message ?? "";
      return HOMELESS.every(([name, , , words]) => said(name).includes(words)) || undefined;
    });
  });
});

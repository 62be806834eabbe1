import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { Pod } from "#core/kube/pod.ts";
import { type Cluster, startCluster } from "./cluster.ts";
import { loadImages, WEB_IMAGE } from "./images.ts";
import { isRunning } from "./objects.ts";
import { eventually } from "./process.ts";

interface Job {
  readonly metadata: { readonly name: string; readonly uid: string };
  readonly status?: {
    readonly succeeded?: number;
    readonly failed?: number;
    readonly completedIndexes?: string;
    readonly conditions?: readonly { readonly type: string; readonly reason?: string }[];
  };
}

const sh = (script: string) => ["sh", "-c", script];
const untilDone = sh("while [ ! -e /done ]; do sleep 0.1; done");

const specOf = (command: readonly string[], spec: object): object => ({
  ...spec,
  template: {
    spec: {
      restartPolicy: "Never",
      terminationGracePeriodSeconds: 2,
      containers: [{ name: "main", image: WEB_IMAGE, command }],
    },
  },
});
const jobOf = (name: string, command: readonly string[], spec: object = {}): object => ({
  apiVersion: "batch/v1",
  kind: "Job",
  metadata: { name },
  spec: specOf(command, spec),
});

const reasons = ({ status }: Job): readonly string[] =>
  (status?.conditions ?? []).map(({ type, reason }) => `${type} ${reason}`);

describe.concurrent("Jobs and CronJobs, with real containers", () => {
  let cluster: Cluster;

  beforeAll(async () => {
    cluster = await startCluster();
    await loadImages(cluster);
  });
  afterAll(() => cluster?.close());

  const podsOf = async (job: string): Promise<readonly Pod[]> =>
    (await cluster.get<{ items: readonly Pod[] }>("pods", "-l", `job-name=${job}`)).items;

  /** Waits for `count` Pods of the Job that are all running. */
  const running = (job: string, count = 1): Promise<readonly Pod[]> =>
    eventually(`${count} Pods of ${job} run`, async () => {
      const found = (await podsOf(job)).filter(
        (pod) => isRunning(pod) && pod.metadata.deletionTimestamp === undefined,
      );
      return found.length === count ? found : undefined;
    });

  /** Waits for the condition; the Job as it is then. */
  const ended = async (name: string, type: "Complete" | "Failed"): Promise<Job> => {
    await cluster.kubectl(["wait", `--for=condition=${type}`, `job/${name}`, "--timeout=90s"], {
      timeoutMs: 100_000,
    });
    return cluster.get<Job>("job", name);
  };

  test("an indexed Job tells every Pod its index", async () => {
    const say = sh('echo "$JOB_COMPLETION_INDEX of $(hostname)"');
    const spec = { completionMode: "Indexed", completions: 3, parallelism: 3 };
    await cluster.apply(jobOf("indexed", say, spec));
    expect((await ended("indexed", "Complete")).status).toMatchObject({
      succeeded: 3,
      completedIndexes: "0-2",
    });
    const logs = await cluster.kubectl(["logs", "job/indexed", "--all-pods=true"]);
    const said = logs
      .trim()
      .split("\n")
      .map((line) => line.replace(/^\[.*?\] /, ""));
    expect(said.toSorted()).toEqual(["0 of indexed-0", "1 of indexed-1", "2 of indexed-2"]);
  });

  test("a Job that fails again and again is given up at its backoffLimit", async () => {
    await cluster.apply(jobOf("hopeless", sh("exit 1"), { backoffLimit: 1 }));
    const job = await ended("hopeless", "Failed");
    expect(reasons(job)).toContain("Failed BackoffLimitExceeded");
    expect(job.status?.failed).toBe(2);
    const phases = (await podsOf("hopeless")).map(({ status }) => status?.phase);
    expect(phases).toEqual(["Failed", "Failed"]);
  });

  test("an exit code that its policy names ends a Job at once", async () => {
    const onExitCodes = { containerName: "main", operator: "In", values: [42] };
    const podFailurePolicy = { rules: [{ action: "FailJob", onExitCodes }] };
    await cluster.apply(jobOf("fatal", sh("exit 42"), { backoffLimit: 6, podFailurePolicy }));
    const job = await ended("fatal", "Failed");
    expect(reasons(job)).toContain("Failed PodFailurePolicy");
    expect(job.status?.failed).toBe(1);
  });

  test("an evicted Pod is a disruption, which a policy does not count", async () => {
    const onPodConditions = [{ type: "DisruptionTarget", status: "True" }];
    const podFailurePolicy = { rules: [{ action: "Ignore", onPodConditions }] };
    await cluster.apply(jobOf("moved", untilDone, { backoffLimit: 0, podFailurePolicy }));
    const [first] = await running("moved");
    const name = first?.metadata.name ?? "";
    const eviction = { apiVersion: "policy/v1", kind: "Eviction", metadata: { name } };
    const path = `/api/v1/namespaces/default/pods/${name}/eviction`;
    await cluster.kubectl(["create", "--raw", path, "-f", "-"], {
      stdin: JSON.stringify(eviction),
    });

    const second = await eventually("another Pod runs", async () => {
      const pods = await running("moved");
      return pods.find(({ metadata }) => metadata.uid !== first?.metadata.uid);
    });
    await cluster.kubectl(["exec", second.metadata.name, "--", "touch", "/done"]);
    const { status } = await ended("moved", "Complete");
    expect(status?.succeeded).toBe(1);
    expect(status?.failed ?? 0).toBe(0);
  });

  test("a Job whose success policy is met ends, and its other Pods with it", async () => {
    const script = '[ "$JOB_COMPLETION_INDEX" = 0 ] && exit 0; while :; do sleep 0.1; done';
    const successPolicy = { rules: [{ succeededIndexes: "0" }] };
    const indexed = { completionMode: "Indexed", completions: 2, parallelism: 2 };
    await cluster.apply(jobOf("leader", sh(script), { ...indexed, successPolicy }));
    const job = await ended("leader", "Complete");
    expect(reasons(job)).toContain("SuccessCriteriaMet SuccessPolicy");
    expect(job.status?.completedIndexes).toBe("0");
    await eventually(
      "only the leader is left",
      async () =>
        (await podsOf("leader")).every(({ status }) => status?.phase === "Succeeded") || undefined,
    );
  });

  test("a Job that is suspended ends its Pods, and goes on when it is resumed", async () => {
    await cluster.apply(jobOf("paused", untilDone));
    await running("paused");
    const suspend = (value: boolean) =>
      cluster.kubectl([
        "patch",
        "job",
        "paused",
        "-p",
        JSON.stringify({ spec: { suspend: value } }),
      ]);
    await suspend(true);
    await eventually("no Pod is left", async () =>
      (await podsOf("paused")).length === 0 ? true : undefined,
    );
    await suspend(false);
    const [pod] = await running("paused");
    await cluster.kubectl(["exec", pod?.metadata.name ?? "", "--", "touch", "/done"]);
    expect((await ended("paused", "Complete")).status?.succeeded).toBe(1);
  });

  test("a CronJob runs at its time, and by hand in between", async () => {
    await cluster.apply({
      apiVersion: "batch/v1",
      kind: "CronJob",
      metadata: { name: "tick" },
      spec: {
        schedule: "* * * * *",
        concurrencyPolicy: "Forbid",
        jobTemplate: { metadata: { labels: { cron: "tick" } }, spec: specOf(sh("echo tock"), {}) },
      },
    });
    await cluster.kubectl(["create", "job", "by-hand", "--from=cronjob/tick"]);
    await ended("by-hand", "Complete");
    const byItself = await eventually(
      "the clock has made a Job",
      async () => {
        const { items } = await cluster.get<{ items: readonly Job[] }>("jobs", "-l", "cron=tick");
        return items.find(({ metadata }) => metadata.name.startsWith("tick-"));
      },
      { timeoutMs: 75_000 },
    );
    await ended(byItself.metadata.name, "Complete");
    expect(await cluster.kubectl(["logs", `job/${byItself.metadata.name}`])).toBe("tock\n");
  });
});

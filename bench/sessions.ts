/**
 * What goes through the API server and the kubelet API: a command in a container, a log, a forwarded
 * port, each beside the same thing done at the host itself. Root; `bun bench/sessions.ts [rounds]`.
 */
import { type Access, accessFrom } from "#adapters/kubernetes/kubeconfig.ts";
import type { Pod } from "#core/kube/pod.ts";
import { findPrograms, hostCgroupLayout } from "#embedded/machines-api/runtime/crun/host.ts";
import { type Cluster, startCluster } from "#test/e2e/cluster.ts";
import { loadImages } from "#test/e2e/images.ts";
import { isRunning, podOf, podWhen } from "#test/e2e/objects.ts";
import { eventually } from "#test/e2e/process.ts";
import { spdyClient } from "#test/programs/spdy-client.ts";
import { quantile, table } from "./figures.ts";
import { hostPlaceOf } from "./host-place.ts";

const ROUNDS = Number(process.argv[2] ?? 5);
const EXECS = 50;
const MIB = 1024 * 1024;
/** With conmon's own words twice what makes a log to be moved aside, so that it is moved only once. */
const LOG_BYTES = 8 * MIB;
const LOG_READS = 10;
const PAGE_BYTES = 256 * MIB;

const cluster = await startCluster();
try {
  await loadImages(cluster);
  const access = accessFrom(await Bun.file(cluster.env["KUBECONFIG"] ?? "").text());
  const line = "0123456789".repeat(9);
  const script = `dd if=/dev/zero of=/www/page bs=1M count=${PAGE_BYTES / MIB}; yes ${line} | head -c ${LOG_BYTES}; exec httpd -f -p '[::]:8080' -h /www`;
  await cluster.apply(podOf("busy", { container: { command: ["sh", "-c", script] } }));
  const pod = await podWhen(cluster, "busy", isRunning);
  await eventually("the page is there", async () => {
    return (await fetch(pageOf(pod), { method: "HEAD" })).ok ? true : undefined;
  });
  console.log(
    table(
      ["", "fks-node", "at the host", "ratio"],
      [
        await execs(cluster, access, pod),
        await logs(cluster, access, pod),
        await forwards(cluster, pod),
      ],
    ),
  );
} finally {
  await cluster.close();
}

type Row = readonly [what: string, ours: string, peer: string, ratio: string];

/** Kubernetes' own client beside the OCI runtime's `exec`, turn by turn; medians. */
async function execs(there: Cluster, { server, ca, credentials }: Access, pod: Pod): Promise<Row> {
  if (!("cert" in credentials)) throw new Error("the administrator has no certificate");
  using client = await spdyClient(ca ?? "", credentials);
  const url = `${server}/api/v1/namespaces/default/pods/busy/exec?container=main&command=true&stdout=1&stderr=1`;
  const { ociRuntime } = findPrograms(hostCgroupLayout(), undefined);
  const { ociRoot, ociId } = hostPlaceOf(there.dataDir, pod);
  const bare = [ociRuntime, "--root", ociRoot, "exec", ociId, "true"];
  const ours: number[] = [];
  const peer: number[] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    const { exitCode, stdout, stderr } = await client.run("repeat", [url, String(EXECS)], {
      flags: ["-server-name="],
    });
    if (exitCode !== 0) throw new Error(stderr);
    ours.push(Number(stdout.toString()));
    for (let turn = 0; turn < EXECS; turn += 1) peer.push(await timed(() => spawned(bare)));
  }
  return row("exec of `true`, ms", { ours, peer });
}

/** The container's whole log by HTTP beside its files with conmon's words cut off. */
async function logs(there: Cluster, { server, ca, credentials }: Access, pod: Pod): Promise<Row> {
  const url = `${server}/api/v1/namespaces/default/pods/busy/log`;
  const tls = { ...(ca === undefined ? {} : { ca }), ...credentials };
  const { log, rotatedLog } = hostPlaceOf(there.dataDir, pod);
  const cut = ["cut", "-d", " ", "-f", "4-"];
  return row(
    "log read, MiB/s",
    await throughputs(
      async () => bytesIn((await fetch(url, { tls })).body),
      async () => bytesIn(Bun.spawn([...cut, rotatedLog, log], { stdout: "pipe" }).stdout),
      LOG_READS,
    ),
  );
}

/** A page through `kubectl port-forward` beside the same page from the Pod's own address. */
async function forwards(there: Cluster, pod: Pod): Promise<Row> {
  const child = Bun.spawn([...there.kubectlCommand(["port-forward", "busy", ":8080"])], {
    env: { ...process.env, ...there.env },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "inherit",
  });
  try {
    const { value } = await child.stdout.getReader().read();
    const port = /127\.0\.0\.1:(\d+)/.exec(Buffer.from(value ?? []).toString())?.[1];
    const page = async (url: string) => bytesIn((await fetch(url, { keepalive: false })).body);
    return row(
      "port-forward, MiB/s",
      await throughputs(
        () => page(`http://127.0.0.1:${port}/page`),
        () => page(pageOf(pod)),
      ),
    );
  } finally {
    child.kill();
    await child.exited;
  }
}

interface Samples {
  readonly ours: readonly number[];
  readonly peer: readonly number[];
}

/** MiB a second of both, turn by turn. */
async function throughputs(
  ours: () => Promise<number>,
  peer: () => Promise<number>,
  reads = 1,
): Promise<Samples> {
  const samples = { ours: [] as number[], peer: [] as number[] };
  const rate = async (read: () => Promise<number>): Promise<number> => {
    const startedAt = performance.now();
    let bytes = 0;
    for (let done = 0; done < reads; done += 1) bytes += await read();
    return bytes / MIB / ((performance.now() - startedAt) / 1_000);
  };
  for (let round = 0; round < ROUNDS; round += 1) {
    samples.ours.push(await rate(ours));
    samples.peer.push(await rate(peer));
  }
  return samples;
}

function row(what: string, samples: Samples): Row {
  const ours = quantile(samples.ours, 0.5);
  const peer = quantile(samples.peer, 0.5);
  return [what, ours.toFixed(1), peer.toFixed(1), (ours / peer).toFixed(2)];
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const startedAt = performance.now();
  await work();
  return performance.now() - startedAt;
}

function spawned(command: readonly string[]): Promise<number> {
  return Bun.spawn([...command], { stdin: "ignore", stdout: "ignore", stderr: "inherit" }).exited;
}

async function bytesIn(stream: ReadableStream<Uint8Array> | null): Promise<number> {
  let bytes = 0;
  for await (const part of stream ?? []) bytes += part.byteLength;
  return bytes;
}

function pageOf({ status }: Pod): string {
  return `http://[${status?.podIP}]:8080/page`;
}

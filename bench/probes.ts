/**
 * What probes cost the Machines API, on real containers: as many a second as 1 000 Pods with three each
 * ask for by default, beside a bare loop in this process that asks the same servers as often. Root;
 * `bun bench/probes.ts [machines] [seconds]`.
 */
import type { ContainerProbes, ProbeSpec } from "#core/fly/machine-protocol.ts";
import { embeddedWithContainers } from "#test/contract/embedded.ts";
import { clear, configOf, eventually, launch, refOf, shell } from "#test/contract/world.ts";
import { table } from "./figures.ts";

const MACHINES = Number(process.argv[2] ?? 150);
const SECONDS = Number(process.argv[3] ?? 20);
/** Two a second of each Machine: 150 ask as often as 1 000 Pods with three every ten seconds. */
const PER_SECOND = 2 * MACHINES;
const PORT = 8080;
const { signal } = new AbortController();

const EVERY_SECOND: Omit<ProbeSpec, "handler"> = {
  initialDelaySeconds: 0,
  periodSeconds: 1,
  timeoutSeconds: 1,
  successThreshold: 1,
  failureThreshold: 3,
};
const PROBES: ContainerProbes = {
  readiness: {
    ...EVERY_SECOND,
    handler: { kind: "http", scheme: "http", port: PORT, path: "/", headers: [] },
  },
  liveness: { ...EVERY_SECOND, handler: { kind: "tcp", port: PORT } },
};

const { protocol, ...world } = await embeddedWithContainers();
if (protocol === undefined) throw new Error("it does not speak the protocol");
try {
  const addresses = await machines(undefined);
  const idle = await coreShare();
  const stop = new AbortController();
  const loops = addresses.map((address) => bareLoop(address, stop.signal));
  const bare = (await coreShare()) - idle;
  stop.abort();
  await Promise.all(loops);
  await clear(world);
  await machines(PROBES);
  const probed = (await coreShare()) - idle;
  const row = (what: string, share: number) => [
    what,
    100 * share,
    ((1_000 * share) / PER_SECOND).toFixed(2),
  ];
  console.log(`${PER_SECOND} probes a second, half of them HTTP, half TCP, for ${SECONDS} s\n`);
  console.log(
    table(
      ["", "of a core, %", "each, ms"],
      [
        row("probes of the Machines API", probed),
        row("bare loop", bare),
        ["ratio", (probed / bare).toFixed(2), ""],
        ["the same Machines without either", 100 * idle, ""],
      ],
    ),
  );
  await clear(world);
} finally {
  await world.close();
}

/** The addresses of that many new Machines, once all of them are ready. */
async function machines(probes: ContainerProbes | undefined): Promise<readonly string[]> {
  const exec = shell(`mkdir /w; echo page > /w/index.html; exec httpd -f -p '[::]:${PORT}' -h /w`);
  const config = configOf(world, { exec }, { metadata: { fks_awaits: "bundle" } });
  const main = probes === undefined ? {} : { probes };
  return Promise.all(
    Array.from({ length: MACHINES }, async () => {
      const machine = await launch(world, config);
      const ref = refOf(world, machine);
      await protocol?.deliver(ref, { containers: { main }, volumes: {} }, signal);
      const address = await eventually(async () => {
        const { containers } = (await protocol?.report(ref, signal)) ?? {};
        return containers?.[0]?.ready === true ? machine.private_ip : undefined;
      });
      await eventually(async () => ((await answers(address)) ? true : undefined));
      return address;
    }),
  );
}

/** What this process took of a core for a while. */
async function coreShare(): Promise<number> {
  const before = process.cpuUsage();
  const startedAt = performance.now();
  await Bun.sleep(SECONDS * 1_000);
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1_000 / (performance.now() - startedAt);
}

/** Both questions, once a second. */
async function bareLoop(address: string, until: AbortSignal): Promise<void> {
  await Bun.sleep(Math.random() * 1_000);
  while (!until.aborted) {
    const [, connection] = await Promise.all([
      answers(address),
      Bun.connect({ hostname: address, port: PORT, socket: { data() {} } }),
    ]);
    connection.end();
    await Bun.sleep(1_000);
  }
}

async function answers(address: string): Promise<boolean> {
  const options = { keepalive: false, headers: { connection: "close" } };
  const answer = await fetch(`http://[${address}]:${PORT}/`, options).catch(() => undefined);
  await answer?.text();
  return answer?.ok === true;
}

import { randomBytes } from "node:crypto";
import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import {
  machineAddressFor,
  machineIpv4For,
  type NetworkPlan,
  networkPlanFor,
  nodeAddressFor,
} from "#core/fly/network.ts";
import type { Clock } from "#core/ports/clock.ts";
import type { Log } from "#core/ports/log.ts";
import { type HostNetwork, hostNetwork } from "../../../network/host-network.ts";
import type { ContainerExit, ContainerSpec, MachineSpec, Runtime } from "../../runtime.ts";
import { crunRuntime } from "../crun.ts";
import { removeRunDir } from "../run-dir.ts";

const BUSYBOX = "/bin/busybox";
const APPLETS =
  "cat chmod chown dd echo env grep head hostname httpd id kill ln ls mkdir mount nc nslookup ping printf ps pwd seq sh sleep stat stty true wc".split(
    " ",
  );

const MIB = 1024 * 1024;

/** A network and a runtime of their own on this host, and an image made of busybox. */
export interface World {
  readonly plan: NetworkPlan;
  readonly network: HostNetwork;
  readonly machinesDir: string;
  readonly imageRoot: string;
  readonly profilesDir: string;
  readonly runtime: Runtime;
  readonly signal: AbortSignal;
  /** Resolves with the exit of this container, told now or before. */
  exit(machineId: string, name: string): Promise<ContainerExit>;
  /** Another runtime over the same Machines, as after a restart. */
  reopened(signal: AbortSignal): Runtime;
  close(): Promise<void>;
}

interface WorldOptions {
  readonly clock: Clock;
  readonly log: Log;
  readonly ociRuntime?: string;
  readonly id?: string;
}

export async function openWorld({ clock, log, ...options }: WorldOptions): Promise<World> {
  const plan = networkPlanFor(options.id ?? randomBytes(4).toString("hex"));
  const folder = mkdtempSync(`${tmpdir()}/fks-crun-`);
  const imageRoot = busyboxRoot(`${folder}/image`);
  const machinesDir = `${folder}/m`;
  const profilesDir = `${folder}/seccomp`;
  const stop = new AbortController();
  const { signal } = stop;
  const network = hostNetwork(plan, [nodeAddressFor(plan.id, 0)], { log, egress: true });
  await network.ensure(signal);

  const runtimeOptions = {
    plan,
    machinesDir,
    profilesDir,
    clock,
    log,
    ...(options.ociRuntime === undefined ? {} : { ociRuntime: options.ociRuntime }),
  };
  const runtime = crunRuntime(runtimeOptions, signal);
  const exits = new Map<string, PromiseWithResolvers<ContainerExit>>();
  const exitOf = (key: string): PromiseWithResolvers<ContainerExit> => {
    const known = exits.get(key) ?? Promise.withResolvers<ContainerExit>();
    exits.set(key, known);
    return known;
  };
  runtime.onExit((exit) => exitOf(`${exit.id.machineId}/${exit.id.name}`).resolve(exit));

  return {
    plan,
    network,
    machinesDir,
    imageRoot,
    profilesDir,
    runtime,
    signal,
    exit: async (machineId, name) => exitOf(`${machineId}/${name}`).promise,
    reopened: (other) => crunRuntime(runtimeOptions, other),

    async close() {
      const left = readdirSync(machinesDir).filter((name) => !name.startsWith("."));
      await Promise.all(left.map((machineId) => runtime.remove(machineId, signal)));
      await network.remove(signal);
      removeRunDir(plan);
      stop.abort(new Error("the test has ended"));
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** The Machine with this serial number; its id ends with it. */
export function machineSpec(plan: NetworkPlan, serial: number): MachineSpec {
  const hostname = `web-${serial}`;
  const ipv6 = machineAddressFor(plan.id, serial);
  return {
    machineId: serial.toString(16).padStart(14, "0"),
    app: "app",
    hostname,
    address: { ipv6, ipv4: machineIpv4For(plan.id, serial) },
    hosts: [
      { ip: ipv6, hostnames: [hostname] },
      { ip: "10.1.2.3", hostnames: ["db.internal", "db"] },
    ],
    dns: { nameservers: [plan.resolver], searches: ["a.internal"], options: ["ndots:5"] },
    cpuMillis: 1_000,
    memoryBytes: 256 * MIB,
    sysctls: {},
    sharesProcesses: false,
    fsGroup: undefined,
  };
}

type Changes = Partial<Omit<ContainerSpec, "id">> & {
  readonly name?: string;
  readonly attempt?: number;
};

export function containerSpec(
  world: Pick<World, "imageRoot">,
  machine: MachineSpec,
  args: readonly string[],
  { name = "app", attempt = 0, ...changes }: Changes = {},
): ContainerSpec {
  return {
    id: { machineId: machine.machineId, name, attempt },
    image: {},
    imageRoot: world.imageRoot,
    args,
    env: [],
    cwd: "/",
    user: "",
    groups: [],
    security: undefined,
    sharesProcesses: false,
    stdin: false,
    stdinOnce: false,
    tty: false,
    cpuMillis: undefined,
    memoryBytes: undefined,
    mounts: [],
    files: [],
    terminationMessagePath: undefined,
    ...changes,
  };
}

function busyboxRoot(root: string): string {
  for (const folder of ["bin", "etc", "tmp", "www"])
    mkdirSync(`${root}/${folder}`, { recursive: true });
  copyFileSync(BUSYBOX, `${root}/bin/busybox`);
  chmodSync(`${root}/bin/busybox`, 0o755);
  chmodSync(`${root}/tmp`, 0o1777);
  for (const applet of APPLETS) symlinkSync("busybox", `${root}/bin/${applet}`);
  const passwd = "root:x:0:0::/root:/bin/sh\nweb:x:1000:1001::/home/web:/bin/sh\n";
  writeFileSync(`${root}/etc/passwd`, passwd);
  writeFileSync(`${root}/etc/group`, "root:x:0:\nweb:x:1001:\nlogs:x:2000:web\n");
  writeFileSync(`${root}/www/index.html`, "hello\n");
  return root;
}

import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { randomBytes } from "node:crypto";
import {
  machineAddressFor,
  machineIpv4For,
  networkPlanFor,
  nodeAddressFor,
} from "#core/fly/network.ts";
import type { Route, Target } from "#core/service/route.ts";
import type { RouteChanges } from "#core/service/routing-table.ts";
import { machineNetnsFor } from "#embedded/machines-api/network/commands.ts";
import { hostNetwork } from "#embedded/machines-api/network/host-network.ts";
import { machineNetwork } from "#embedded/machines-api/network/machine-network.ts";
import { NETNS_DIR, withNetns } from "#embedded/machines-api/network/netns.ts";
import { runProgram } from "#embedded/machines-api/network/run-program.ts";
import { eventually } from "#test/e2e/process.ts";
import { memoryLog } from "#test/fakes/log.ts";
import { nftPlaceFor } from "./place.ts";
import { nftRouteTables } from "./route-tables.ts";
import { nftIn } from "./run-nft.ts";

setDefaultTimeout(30_000);

const { signal } = new AbortController();
const log = memoryLog();
const plan = networkPlanFor(randomBytes(4).toString("hex"));
const NODES = ["local-a", "local-b"];
const place = nftPlaceFor(plan, NODES);
const nodeAddresses = NODES.map((_, index) => nodeAddressFor(plan.id, index));
const network = hostNetwork(plan, nodeAddresses, { log, egress: false });
const machines = machineNetwork(plan);
const within = <T>(make: () => T): T => withNetns(plan.routerNetns, make);
const netns = `${NETNS_DIR}/${plan.routerNetns}`;
const tables = nftRouteTables({ place, netns, within, log });
const closing: (() => void)[] = [];

const VIP = plan.serviceRange.replace("::/112", "::99");
const PORT = 8080;
/** Machines 1 to 3 answer with their number, 4 only asks; 1 and 4 are in the first region. */
const SERVING = [1, 2, 3];

beforeAll(async () => {
  await runProgram(["ip", "link", "set", "lo", "up"], signal);
  await network.ensure(signal);
  for (const serial of [...SERVING, 4]) {
    const link = {
      machineId: idOf(serial),
      ipv6: address(serial),
      ipv4: machineIpv4For(plan.id, serial),
    };
    await machines.attach({ ...link, hostname: link.machineId }, signal);
  }
  for (const serial of SERVING) await serve(serial);
});
afterAll(async () => {
  for (const close of closing) close();
  for (const serial of [...SERVING, 4]) await machines.detach(idOf(serial), signal);
  await network.remove(signal);
});

function idOf(serial: number): string {
  return `17811953c92e8${serial}`;
}
function address(serial: number): string {
  return machineAddressFor(plan.id, serial);
}
function target(serial: number): Target {
  return { address: address(serial), port: PORT };
}

/** Tells who it is and who asks, to whatever family asks. */
async function serve(serial: number): Promise<void> {
  const inside = machineNetnsFor(plan, idOf(serial));
  const tcp = withNetns(inside, () =>
    Bun.listen({
      hostname: "::",
      port: PORT,
      socket: {
        open: (socket) => void socket.end(`m${serial} ${socket.remoteAddress}`),
        data() {},
      },
    }),
  );
  const udp = await withNetns(inside, () =>
    Bun.udpSocket({
      hostname: "::",
      port: PORT,
      socket: { data: (socket, _, port, from) => void socket.send(`m${serial}`, port, from) },
    }),
  );
  closing.push(() => {
    tcp.stop(true);
    udp.close();
  });
}

function route(overrides: Partial<Route> = {}): Route {
  return {
    service: "default/web",
    portName: "",
    protocol: "TCP",
    clusterIP: VIP,
    port: 80,
    nodePort: 0,
    internal: "Cluster",
    external: "Cluster",
    targets: SERVING.map(target),
    local: [],
    anywhere: [],
    ...overrides,
  };
}
const apply = (changes: RouteChanges, routes: readonly Route[]) =>
  tables.apply({ ...changes, sources: { gone: [], come: [] }, routes }, signal);
const rules = () => nftIn(netns).ask(["list", "table", "inet", "services"], signal);
const load = (...routes: readonly Route[]) =>
  tables.load(
    {
      routes,
      sources: [
        { address: address(4), node: "local-a" },
        { address: address(2), node: "local-b" },
      ],
    },
    signal,
  );

/** What a Machine (or, as 0, the host) hears when it asks so often. */
async function ask(
  from: number,
  to: string,
  port: number,
  { count = 1, protocol = "tcp" } = {},
): Promise<Record<string, number>> {
  const inside = from === 0 ? [] : ["ip", "netns", "exec", machineNetnsFor(plan, idOf(from))];
  const program = [
    process.execPath,
    "test/programs/asks-many.ts",
    protocol,
    to,
    String(port),
    String(count),
  ];
  return JSON.parse(await runProgram([...inside, ...program], signal));
}

/** Who of the Machines answered, sorted. */
async function whoAnswers(...args: Parameters<typeof ask>): Promise<readonly string[]> {
  const heard = Object.keys(await ask(...args));
  return [...new Set(heard.map((answer) => answer.split(" ")[0] ?? ""))].toSorted();
}

test("a Machine's connections are spread evenly, and its address is seen", async () => {
  await load(route());

  const heard = Object.entries(await ask(4, VIP, 80, { count: 600 }));

  expect(heard.map(([answer]) => answer).toSorted()).toEqual(
    SERVING.map((serial) => `m${serial} ${address(4)}`),
  );
  const chiSquare = heard.reduce((sum, [, count]) => sum + (count - 200) ** 2 / 200, 0);
  // Two degrees of freedom: chance alone is beyond this once in 100 000 runs.
  expect(chiSquare).toBeLessThan(23);
});

test("the host reaches a Service, and a Machine reaches itself through one", async () => {
  await load(route({ targets: [target(1)] }));

  expect(await ask(0, VIP, 80)).toEqual({ [`m1 ${plan.hostLink}`]: 1 });
  expect(await ask(1, VIP, 80)).toEqual({ [`m1 ${plan.routerLink}`]: 1 });
  await load(route({ targets: [target(1)], nodePort: 30_080 }));
  expect(await ask(1, nodeAddresses[0] ?? "", 30_080)).toEqual({ [`m1 ${plan.routerLink}`]: 1 });
  const byIpv4 = { [`m1 ::ffff:${place.ipv4.router}`]: 1 };
  expect(await ask(1, place.ipv4.router, 30_080)).toEqual(byIpv4);
});

test("an endpoint that is the host's own is reached by Machines and by the host", async () => {
  const api = Bun.listen({
    hostname: plan.apiServer,
    port: 0,
    socket: { open: (socket) => void socket.end("api"), data() {} },
  });
  closing.push(() => api.stop(true));
  await load(route({ targets: [{ address: plan.apiServer, port: api.port }] }));

  expect(await ask(4, VIP, 80)).toEqual({ api: 1 });
  expect(await ask(0, VIP, 80)).toEqual({ api: 1 });
});

test("a Service without endpoints, a port it lacks and a free address refuse at once", async () => {
  await load(route({ targets: [] }), route({ targets: [], protocol: "UDP", nodePort: 30_081 }));

  expect(await ask(4, VIP, 80)).toEqual({ ECONNREFUSED: 1 });
  expect(await ask(0, VIP, 80)).toEqual({ ECONNREFUSED: 1 });
  expect(await ask(4, VIP, 81)).toEqual({ ECONNREFUSED: 1 });
  expect(await ask(4, VIP.replace("::99", "::9a"), 80)).toEqual({ ECONNREFUSED: 1 });
  expect(await ask(4, VIP, 80, { protocol: "udp" })).toEqual({ ECONNREFUSED: 1 });
  expect(await ask(0, "127.0.0.1", 30_081, { protocol: "udp" })).toEqual({ ECONNREFUSED: 1 });
});

test("a NodePort answers at every address of the host, and at the Nodes' for Machines", async () => {
  await load(route({ nodePort: 30_080 }), route({ protocol: "UDP", nodePort: 30_080 }));

  for (const to of [...nodeAddresses, plan.hostLink, plan.apiServer, "127.0.0.1"]) {
    expect(await whoAnswers(0, to, 30_080, { count: 30 })).toEqual(["m1", "m2", "m3"]);
  }
  for (const to of nodeAddresses) {
    expect(await whoAnswers(4, to, 30_080, { count: 30 })).toEqual(["m1", "m2", "m3"]);
  }
  const udp = { count: 30, protocol: "udp" };
  expect(await whoAnswers(0, "127.0.0.1", 30_080, udp)).toEqual(["m1", "m2", "m3"]);
  expect(await whoAnswers(0, nodeAddresses[0] ?? "", 30_080, udp)).toEqual(["m1", "m2", "m3"]);
});

test("a client stays with its endpoint, through a restart too, until that is gone or time is up", async () => {
  const sticky = route({ affinitySeconds: 3_600, nodePort: 30_080 });
  await load(sticky);
  const [first = ""] = await whoAnswers(4, VIP, 80);

  expect(await whoAnswers(4, VIP, 80, { count: 20 })).toEqual([first]);
  expect(await whoAnswers(4, nodeAddresses[0] ?? "", 30_080, { count: 20 })).toHaveLength(1);
  // A restarted role knows nothing but what it reads.
  await nftRouteTables({ place, netns, within, log }).load(
    {
      routes: [
        sticky,
        route({ service: "default/other", clusterIP: `${VIP}9`, affinitySeconds: 60 }),
      ],
      sources: [],
    },
    signal,
  );
  expect(await whoAnswers(4, VIP, 80, { count: 20 })).toEqual([first]);

  await load(sticky);
  const others = SERVING.filter((serial) => `m${serial}` !== first).map(target);
  const without = { ...sticky, targets: others };
  await apply({ gone: [sticky], come: [without] }, [without]);
  const second = await whoAnswers(4, VIP, 80, { count: 20 });
  expect(second).toHaveLength(1);
  expect(second).not.toEqual([first]);

  const brief = { ...sticky, affinitySeconds: 1 };
  await apply({ gone: [without], come: [brief] }, [brief]);
  await whoAnswers(4, VIP, 80);
  expect(await rules()).toMatch(/expires \d+ms/);
  await eventually(
    "the client is forgotten",
    async () => !/expires/.test(await rules()) || undefined,
  );

  await apply({ gone: [brief], come: [] }, []);
  expect(await rules()).not.toContain("affinity");
});

test("policy Local asks only the caller's Node, or the Node that is called", async () => {
  const local = [
    { node: "local-a", targets: [target(1)] },
    { node: "local-b", targets: [target(2), target(3)] },
  ];
  const anywhere = SERVING.map(target);
  await load(route({ internal: "Local", external: "Local", local, anywhere, nodePort: 30_080 }));

  expect(await whoAnswers(4, VIP, 80, { count: 10 })).toEqual(["m1"]);
  expect(await whoAnswers(2, VIP, 80, { count: 20 })).toEqual(["m2", "m3"]);
  expect(await whoAnswers(0, VIP, 80, { count: 30 })).toEqual(["m1", "m2", "m3"]);
  const [a = "", b = ""] = nodeAddresses;
  expect(await whoAnswers(0, a, 30_080, { count: 10 })).toEqual(["m1"]);
  expect(await whoAnswers(4, b, 30_080, { count: 20 })).toEqual(["m2", "m3"]);
  expect(await whoAnswers(0, "127.0.0.1", 30_080, { count: 30 })).toEqual(["m1", "m2", "m3"]);

  const onlyA = route({ internal: "Local", local: local.slice(0, 1), anywhere: [target(1)] });
  await load(onlyA);
  // The client of a Node without endpoints hears nothing, as with kube-proxy.
  expect(await ask(2, VIP, 80)).toEqual({ silence: 1 });
});

test("a UDP flow whose endpoint is gone finds another at once", async () => {
  const before = route({ protocol: "UDP", targets: [target(1)] });
  await load(before);
  const heard: string[] = [];
  const socket = await withNetns(machineNetnsFor(plan, idOf(4)), () =>
    Bun.udpSocket({
      hostname: "::",
      socket: { data: (_, bytes) => void heard.push(bytes.toString()) },
    }),
  );
  closing.push(() => socket.close());
  const says = (who: string): Promise<unknown> =>
    eventually(`${who} answers`, async () => {
      socket.send("?", 80, VIP);
      await Bun.sleep(20);
      return heard.at(-1) === who || undefined;
    });
  await says("m1");

  const after = { ...before, targets: [target(2)] };
  await apply({ gone: [before], come: [after] }, [after]);
  await says("m2");
});

test("a connection outlives its endpoint's leaving, and the tables made anew", async () => {
  await load(route({ targets: [target(1)] }));
  const heard: string[] = [];
  const peer = withNetns(machineNetnsFor(plan, idOf(1)), () =>
    Bun.listen({
      hostname: "::",
      port: PORT + 1,
      socket: { data: (socket, bytes) => void socket.write(bytes) },
    }),
  );
  closing.push(() => peer.stop(true));
  const echo = route({ port: 7, targets: [{ address: address(1), port: PORT + 1 }] });
  await load(echo);
  const socket = await Bun.connect({
    hostname: VIP,
    port: 7,
    socket: { data: (_, bytes) => void heard.push(bytes.toString()) },
  });
  closing.push(() => socket.end());
  const echoes = async (word: string): Promise<void> => {
    socket.write(word);
    await eventually(`${word} comes back`, async () => heard.includes(word) || undefined);
  };

  await echoes("one");
  await apply({ gone: [echo], come: [] }, []);
  await echoes("two");
  await load();
  await echoes("three");
});

test("a table that another version made is replaced", async () => {
  await nftIn(netns).load(
    "delete table inet services\nadd table inet services\nadd map inet services vips { type mark : verdict; }\n",
    signal,
  );
  await load(route({ targets: [target(2)] }));

  expect(await whoAnswers(4, VIP, 80)).toEqual(["m2"]);
});

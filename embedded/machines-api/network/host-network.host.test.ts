import { afterAll, expect, setDefaultTimeout, test } from "bun:test";
import { randomBytes } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { networkInterfaces } from "node:os";
import { FksError } from "#core/errors.ts";
import {
  ipv4RangeFor,
  machineAddressFor,
  machineIpv4For,
  networkPlanFor,
  nodeAddressFor,
} from "#core/fly/network.ts";
import { memoryLog } from "#test/fakes/log.ts";
import { machineNetnsFor } from "./commands.ts";
import { hostNetwork } from "./host-network.ts";
import { machineNetwork } from "./machine-network.ts";
import { withNetns } from "./netns.ts";
import { runProgram } from "./run-program.ts";

setDefaultTimeout(10_000);

const { signal } = new AbortController();
const log = memoryLog();

function ownInterfaces(): string {
  return readFileSync("/proc/thread-self/net/dev", "utf8");
}

function freshNetwork(tail = "") {
  const plan = networkPlanFor(`${randomBytes(4).toString("hex")}${tail}`.slice(-8));
  const nodes = [nodeAddressFor(plan.id, 0), nodeAddressFor(plan.id, 1)];
  return { plan, nodes, network: hostNetwork(plan, nodes, { log, egress: true }) };
}

const shared = freshNetwork();

afterAll(async () => {
  await shared.network.remove(signal);
});

test("the host holds the addresses Kubernetes needs, made once or twice", async () => {
  const { plan, nodes, network } = shared;

  await network.ensure(signal);
  await network.ensure(signal);

  const held = (networkInterfaces()[plan.hostInterface] ?? []).map(({ address }) => address);
  const { host } = ipv4RangeFor(plan.id);
  expect(held.toSorted()).toEqual([plan.hostLink, plan.apiServer, ...nodes, host].toSorted());
});

test("a socket made inside the router's namespace holds the resolver's address", async () => {
  const { plan, network } = shared;
  await network.ensure(signal);

  const socket = withNetns(plan.routerNetns, () =>
    Bun.listen({ hostname: plan.resolver, port: 53, socket: { data: () => {} } }),
  );

  expect(() =>
    Bun.listen({ hostname: plan.resolver, port: 53, socket: { data: () => {} } }),
  ).toThrow();
  socket.stop();
});

test("inside and outside are as before when what runs inside throws", async () => {
  const { plan, network } = shared;
  await network.ensure(signal);
  const before = Object.keys(networkInterfaces());

  expect(() =>
    withNetns(plan.routerNetns, () => {
      throw new Error(ownInterfaces().includes(plan.routerInterface) ? "inside" : "outside");
    }),
  ).toThrow("inside");
  expect(Object.keys(networkInterfaces())).toEqual(before);
  expect(ownInterfaces()).not.toContain(plan.routerInterface);
});

test("a Machine that nobody has spoken to reaches the host at once", async () => {
  const { plan, network } = freshNetwork();
  await network.ensure(signal);
  const machineId = "17811953c92e89";
  const ipv6 = machineAddressFor(plan.id, 1);
  const machines = machineNetwork(plan);
  const link = { machineId, ipv6, ipv4: machineIpv4For(plan.id, 1), hostname: "m" };
  await machines.attach(link, signal);
  const server = Bun.listen({
    hostname: plan.apiServer,
    port: 0,
    socket: { open: (socket) => void socket.end("hello"), data() {} },
  });

  const ask = `exec 3<>/dev/tcp/${plan.apiServer}/${server.port} && cat <&3`;
  const inside = ["ip", "netns", "exec", machineNetnsFor(plan, machineId)];
  const startedAt = performance.now();
  expect(await runProgram([...inside, "bash", "-c", ask], signal)).toBe("hello");
  expect(performance.now() - startedAt).toBeLessThan(2_000);

  server.stop(true);
  await machines.detach(machineId, signal);
  await network.remove(signal);
});

test("a namespace that is not there is not found", () => {
  expect(() => withNetns("fks-nosuch", () => {})).toThrow(FksError);
});

test("a half-made network is made whole", async () => {
  const { plan, network } = freshNetwork();
  await runProgram(["ip", "netns", "add", plan.routerNetns], signal);

  await network.ensure(signal);
  await runProgram(["ip", "link", "del", plan.hostInterface], signal);
  await network.ensure(signal);

  expect(networkInterfaces()[plan.hostInterface]).toHaveLength(5);
  await network.remove(signal);
});

test("a network whose IPv4 range another one has leaves it alone and says so", async () => {
  const [first, second] = [freshNetwork("e7"), freshNetwork("e7")];
  await first.network.ensure(signal);

  await second.network.ensure(signal);

  const { cidr } = ipv4RangeFor(first.plan.id);
  const routes = await runProgram(["ip", "-4", "route", "show", cidr], signal);
  expect(routes).toContain(first.plan.hostInterface);
  const warning = log.lines.find(([message]) => message.startsWith("IPv4 range is another"));
  expect(warning?.[1]).toEqual({ cidr, owner: first.plan.hostInterface });
  await Promise.all([first, second].map(({ network }) => network.remove(signal)));
});

test("nothing is left after remove, also when there was nothing", async () => {
  const { plan, network } = freshNetwork();
  await network.ensure(signal);

  await network.remove(signal);
  await network.remove(signal);

  expect(networkInterfaces()[plan.hostInterface]).toBeUndefined();
  expect(existsSync(`/run/netns/${plan.routerNetns}`)).toBe(false);
  expect(await runProgram(["nft", "list", "tables"], signal)).not.toContain(plan.nftTable);
  expect(await runProgram(["ip", "-6", "route"], signal)).not.toContain(plan.hostInterface);
});

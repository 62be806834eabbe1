import { expect, test } from "bun:test";
import { networkPlanFor, nodeAddressFor } from "#core/fly/network.ts";
import {
  hostCommands,
  hostLinkCommands,
  machineCommands,
  machineInterfaceFor,
  machineNetnsFor,
  machineRouteCommands,
  routerCommands,
} from "./commands.ts";

const plan = networkPlanFor("0a1b2c3d");
const nodes = [nodeAddressFor("0a1b2c3d", 0)];
const link = {
  machineId: "17811953c92e89",
  ipv6: "fdaa:a1b:2c3d:a7b:1:0:1:2",
  ipv4: "100.79.64.3",
};

test("the host and the router are joined by one link with fixed MACs", () => {
  expect(hostLinkCommands(plan)).toEqual([
    "link add fks0a1b2c3d address 02:00:00:00:00:02 mtu 1420 type veth peer name fksr0a1b2c3d address 02:00:00:00:00:03 mtu 1420 netns fks-0a1b2c3d",
    "link set fks0a1b2c3d addrgenmode none",
  ]);
});

test("the host holds the API server's and the Nodes' addresses and reaches the rest by the router", () => {
  expect(hostCommands(plan, nodes)).toEqual([
    "link set fks0a1b2c3d up",
    "addr replace fdaa:a1b:2c3d:ffff::2/128 dev fks0a1b2c3d nodad",
    "addr replace fdaa:a1b:2c3d:ffff::1/128 dev fks0a1b2c3d nodad",
    "addr replace fdaa:a1b:2c3d:ffff::1:0/128 dev fks0a1b2c3d nodad",
    "route replace fdaa:a1b:2c3d:ffff::3/128 dev fks0a1b2c3d",
    "neigh replace fdaa:a1b:2c3d:ffff::3 lladdr 02:00:00:00:00:03 dev fks0a1b2c3d nud permanent",
    "route replace fdaa:a1b:2c3d::/48 via fdaa:a1b:2c3d:ffff::3 dev fks0a1b2c3d src fdaa:a1b:2c3d:ffff::2",
    "addr replace 100.79.127.255/32 dev fks0a1b2c3d",
    "route replace 100.79.64.0/18 via inet6 fdaa:a1b:2c3d:ffff::3 dev fks0a1b2c3d src 100.79.127.255",
  ]);
});

test("the router holds the resolver's address and tells at once what is not there", () => {
  const commands = routerCommands(plan, nodes);

  expect(commands).toContain("addr replace fdaa::3/128 dev lo nodad");
  expect(commands).toContain("route replace unreachable ::/0 metric 4096");
  expect(commands).toContain(
    "neigh replace fdaa:a1b:2c3d:ffff::2 lladdr 02:00:00:00:00:02 dev fksr0a1b2c3d nud permanent",
  );
  expect(commands).toContain(
    "route replace fdaa:a1b:2c3d:ffff::1:0/128 via fdaa:a1b:2c3d:ffff::2 dev fksr0a1b2c3d",
  );
});

test("a Machine has its two addresses, a MAC that follows from one, and no neighbours", () => {
  expect(machineCommands(plan, link)).toEqual([
    "link set lo up",
    "link add eth0 address 02:00:00:00:01:02 mtu 1420 type veth peer name m17811953c92e89 mtu 1420 netns fks-0a1b2c3d",
    "link set eth0 addrgenmode none up",
    "addr add fdaa:a1b:2c3d:a7b:1:0:1:2/128 dev eth0 nodad",
    "addr add 100.79.64.3/32 dev eth0",
    "route add ::/0 via fe80::1 dev eth0",
    "route add 100.79.64.1/32 dev eth0 src 100.79.64.3",
    "route add 0.0.0.0/0 via 100.79.64.1 dev eth0 src 100.79.64.3",
  ]);
  expect(machineRouteCommands(plan, link)).toEqual([
    "link set m17811953c92e89 addrgenmode none up",
    "addr add fe80::1/64 dev m17811953c92e89 nodad",
    "route replace fdaa:a1b:2c3d:a7b:1:0:1:2/128 dev m17811953c92e89",
    "route replace 100.79.64.3/32 dev m17811953c92e89 src 100.79.64.1",
  ]);
});

test("names fit the kernel, whatever the Machine is called", () => {
  expect(machineInterfaceFor("a-machine-with-a-very-long-id")).toHaveLength(15);
  expect(machineNetnsFor(plan, "17811953c92e89")).toBe("fks-0a1b2c3d-17811953c92e89");
});

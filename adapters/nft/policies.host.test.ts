import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { randomBytes } from "node:crypto";
import type { Direction, NetworkPolicy } from "#core/kube/network-policy.ts";
import type { PolicyPod } from "#core/network-policy/policy-pod.ts";
import { policyTableFor } from "#core/network-policy/policy-table.ts";
import { nftPolicyRules } from "./policies.ts";
import { nftIn } from "./run-nft.ts";

setDefaultTimeout(30_000);

const id = randomBytes(3).toString("hex");
const ROUTER = `fkst-${id}`;
const EVERY = { matchLabels: {}, matchExpressions: [] };
const only = (app: string) => ({ matchLabels: { app }, matchExpressions: [] });

/** Three Pods around a router, as Machines are: each with an address of both families. */
const PODS: readonly PolicyPod[] = ["web", "db", "guest"].map((name, at) => ({
  namespace: name === "guest" ? "other" : "shop",
  name,
  labels: { app: name },
  addresses: [`fdaa:0:1::${at + 1}`, `100.64.9.${at + 1}`],
  ports: [{ name: "http", protocol: "TCP", port: 8_080 + at }],
}));
const HOST = "fdaa:0:1:ffff::2";
const netnsOf = (name: string): string => (name === "router" ? ROUTER : `${ROUTER}-${name}`);

async function shell(netns: string, script: string): Promise<string> {
  const child = Bun.spawn(["ip", "netns", "exec", netnsOf(netns), "sh", "-ec", script], {
    stdout: "pipe",
    stderr: "pipe",
  });
  const [out, problem, code] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  if (code !== 0) throw new Error(`${script}: ${problem}`);
  return out;
}

beforeAll(async () => {
  const made = ["router", "host", ...PODS.map((pod) => pod.name)];
  for (const name of made) await Bun.$`ip netns add ${netnsOf(name)}`.quiet();
  await shell(
    "router",
    "ip link set lo up; sysctl -qw net.ipv6.conf.all.forwarding=1 net.ipv4.ip_forward=1",
  );
  const links = [...PODS, { name: "host", addresses: [HOST] }];
  for (const { name, addresses } of links) {
    const [v6, v4] = addresses;
    await shell(
      name,
      `ip link set lo up; ip link add eth0 type veth peer name to-${name} netns ${ROUTER}
       ip link set eth0 addrgenmode none up; ip addr add ${v6}/128 dev eth0 nodad
       ${v4 === undefined ? "" : `ip addr add ${v4}/32 dev eth0`}
       ip route add ::/0 via fe80::1 dev eth0
       ip route add 100.64.9.254/32 dev eth0; ip route add 0.0.0.0/0 via 100.64.9.254 dev eth0`,
    );
    await shell(
      "router",
      `ip link set to-${name} addrgenmode none up; ip addr add fe80::1/64 dev to-${name} nodad
       ip addr add 100.64.9.254/32 dev to-${name}; ip route add ${v6}/128 dev to-${name}
       ${v4 === undefined ? "" : `ip route add ${v4}/32 dev to-${name}`}`,
    );
  }
});

afterAll(async () => {
  for (const name of ["host", ...PODS.map((pod) => pod.name), "router"]) {
    await Bun.$`ip netns del ${netnsOf(name)}`.quiet().nothrow();
  }
});

function policy(name: string, spec: Partial<NetworkPolicy["spec"]>): NetworkPolicy {
  const policyTypes: Direction[] = ["Ingress"];
  return {
    metadata: { name, namespace: "shop", uid: `0${name}-1-2` },
    spec: { podSelector: EVERY, policyTypes, ingress: [], egress: [], ...spec },
  };
}

const rules = nftPolicyRules({ nft: nftIn(`/run/netns/${ROUTER}`), hostAddresses: [HOST] });

async function apply(...policies: NetworkPolicy[]): Promise<void> {
  const namespaces = new Map(["shop", "other"].map((name) => [name, { name }]));
  const table = policyTableFor({ policies, pods: PODS, namespaces });
  await rules.apply(table, new AbortController().signal);
}

/** Whether `from` gets a connection to `to`; whoever is not let through hears so at once. */
async function reaches(
  from: string,
  to: string,
  port: number,
  family: 0 | 1 = 0,
): Promise<boolean> {
  const address = PODS.find(({ name }) => name === to)?.addresses[family] ?? HOST;
  const listening = Bun.spawn(
    ["ip", "netns", "exec", netnsOf(to), process.execPath, "-e", LISTEN, address, `${port}`],
    { stdout: "pipe" },
  );
  await listening.stdout.getReader().read();
  const call = `exec 3<>/dev/tcp/${address}/${port} && head -c 2 <&3`;
  const calling = Bun.spawn(["ip", "netns", "exec", netnsOf(from), "bash", "-c", call], {
    stdout: "pipe",
    stderr: "ignore",
    timeout: 5_000,
  });
  const said = await new Response(calling.stdout).text();
  listening.kill();
  await listening.exited;
  expect(calling.signalCode).toBeNull();
  return said === "hi";
}

const LISTEN = `
  const [hostname, port] = process.argv.slice(-2);
  Bun.listen({ hostname, port: Number(port), socket: { open: (s) => void s.end("hi"), data() {} } });
  console.log("up");
`;

test("without policies everybody reaches everybody", async () => {
  await apply();
  expect(await reaches("web", "db", 5_432)).toBe(true);
  expect(await reaches("guest", "db", 5_432, 1)).toBe(true);
});

test("a selected Pod takes what is allowed, in both families, and speaks as it likes", async () => {
  const ports = [{ protocol: "TCP" as const, port: 5_432 }];
  const ingress = [{ peers: [{ podSelector: only("web") }], ports }];
  await apply(policy("db", { podSelector: only("db"), ingress }));

  expect(await reaches("web", "db", 5_432)).toBe(true);
  expect(await reaches("web", "db", 5_432, 1)).toBe(true);
  expect(await reaches("web", "db", 5_433)).toBe(false);
  expect(await reaches("guest", "db", 5_432)).toBe(false);
  expect(await reaches("guest", "db", 5_432, 1)).toBe(false);
  expect(await reaches("db", "guest", 80)).toBe(true);
  // The Node's own traffic: probes, logs, port-forwards.
  expect(await reaches("host", "db", 5_433)).toBe(true);
});

test("what goes out is held to its own rules, ranges with exceptions among them", async () => {
  const policyTypes: Direction[] = ["Egress"];
  const ipBlock = { cidr: "fdaa:0:1::/120", except: ["fdaa:0:1::3/128"] };
  const overlapping = { ipBlock: { cidr: "fdaa:0:1::2/127", except: [] } };
  await apply(
    policy("out", {
      podSelector: only("web"),
      policyTypes,
      egress: [{ peers: [{ ipBlock }], ports: [] }],
    }),
    policy("more", {
      podSelector: only("db"),
      policyTypes,
      egress: [{ peers: [overlapping, { podSelector: EVERY }], ports: [] }],
    }),
  );

  expect(await reaches("web", "db", 80)).toBe(true);
  expect(await reaches("web", "guest", 80)).toBe(false);
  expect(await reaches("web", "db", 80, 1)).toBe(false);
  expect(await reaches("guest", "web", 80)).toBe(true);
  expect(await reaches("db", "guest", 80)).toBe(true);
  expect(await reaches("db", "guest", 80, 1)).toBe(false);
});

test("names of ports and ranges of them", async () => {
  const named = { protocol: "TCP" as const, port: "http" };
  const range = { protocol: "TCP" as const, port: 9_000, endPort: 9_010 };
  const within = { protocol: "TCP" as const, port: 9_005 };
  await apply(policy("named", { ingress: [{ peers: [], ports: [named, range, within] }] }));

  expect(await reaches("guest", "web", 8_080)).toBe(true);
  expect(await reaches("guest", "db", 8_081)).toBe(true);
  expect(await reaches("guest", "db", 8_080)).toBe(false);
  expect(await reaches("guest", "db", 9_010)).toBe(true);
  expect(await reaches("guest", "db", 9_011)).toBe(false);
});

test("however many names of ports a policy has, it holds", async () => {
  const many = Array.from({ length: 40 }, (_, at) => ({
    protocol: "TCP" as const,
    port: at === 0 ? "http" : `port-number-${at}`,
  }));
  const policyTypes: Direction[] = ["Ingress", "Egress"];
  const rule = { peers: [{ podSelector: EVERY }], ports: many };
  await apply(policy("many", { policyTypes, ingress: [rule], egress: [rule] }));

  expect(await reaches("web", "db", 8_081)).toBe(true);
  expect(await reaches("web", "db", 8_080)).toBe(false);
  expect(await reaches("guest", "db", 8_081)).toBe(false);
});

test("when the last policy is gone nothing of it is left", async () => {
  await apply();
  expect(await reaches("guest", "db", 1)).toBe(true);
  const listed = await shell("router", "nft list table inet policies");
  expect(listed).not.toContain("policy_");
  expect(listed).not.toContain("all_");
});

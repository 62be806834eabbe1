import { expect, test } from "bun:test";
import {
  apiserverArgs,
  controllerManagerArgs,
  kineArgs,
  schedulerArgs,
  type UpstreamPlan,
} from "./args.ts";
import { pkiFilesIn } from "./files.ts";

const PLAN: UpstreamPlan = {
  clusterName: "demo",
  address: "fdaa:1:2:ffff::1",
  port: 6443,
  serviceRange: "fdaa:1:2:0:1::/112",
  kine: { database: "/d/kine/state.db", socket: "/d/run/kine.sock" },
  pki: pkiFilesIn("/d/pki"),
};

test("the datastore is SQLite with a write-ahead log, on a unix socket and nowhere else", () => {
  expect(kineArgs(PLAN)).toEqual([
    "--listen-address=unix:///d/run/kine.sock",
    "--endpoint=sqlite:///d/kine/state.db?_journal_mode=WAL&_busy_timeout=30000&_synchronous=NORMAL&_txlock=immediate",
    "--metrics-bind-address=0",
  ]);
});

test("the API server answers no stranger, on its own address only", () => {
  const args = apiserverArgs(PLAN);

  for (const arg of [
    "--bind-address=fdaa:1:2:ffff::1",
    "--advertise-address=fdaa:1:2:ffff::1",
    "--service-cluster-ip-range=fdaa:1:2:0:1::/112",
    "--anonymous-auth=false",
    "--authorization-mode=Node,RBAC",
    "--enable-admission-plugins=NodeRestriction",
    "--client-ca-file=/d/pki/client-ca.crt",
    "--kubelet-certificate-authority=/d/pki/server-ca.crt",
    "--kubelet-preferred-address-types=InternalIP",
  ]) {
    expect(args).toContain(arg);
  }
});

test("client and server certificates are signed by different authorities", () => {
  const args = controllerManagerArgs(PLAN);

  expect(args).toContain("--cluster-signing-kubelet-client-cert-file=/d/pki/client-ca.crt");
  expect(args).toContain("--cluster-signing-kubelet-serving-cert-file=/d/pki/server-ca.crt");
  expect(args).toContain("--root-ca-file=/d/pki/server-ca.crt");
});

test("no part listens on every interface, and no argument is given twice", () => {
  for (const args of [apiserverArgs(PLAN), controllerManagerArgs(PLAN), schedulerArgs(PLAN)]) {
    expect(args).toContain("--bind-address=fdaa:1:2:ffff::1");
    const names = args.map((arg) => arg.split("=")[0]);
    expect(new Set(names).size).toBe(names.length);
  }
});

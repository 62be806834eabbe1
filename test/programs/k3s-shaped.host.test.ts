// The certificate library looks its parts up by metadata that this one adds to Reflect.
// oxlint-disable-next-line import/no-unassigned-import
import "reflect-metadata";
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { X509Certificate } from "node:crypto";
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { Pkcs10CertificateRequestGenerator, SubjectAlternativeNameExtension } from "@peculiar/x509";
import { processIdentity } from "#adapters/host/process-identity.ts";
import { eventually } from "#test/e2e/process.ts";
import { cannotRunK3s, type K3sHost, type K3sRun, k3sHost, partsOf } from "./k3s-in-netns.ts";
import { shapeK3s } from "./k3s-shaped.ts";

const STOP_LIMIT_MS = 5_000;

describe.skipIf(cannotRunK3s)("a stand-in for K3s that is ready", () => {
  let host: K3sHost;
  let k3s: K3sRun;

  beforeAll(async () => {
    host = await k3sHost();
    mkdirSync(host.files.manifests, { recursive: true });
    writeFileSync(
      join(host.files.manifests, "ours.yaml"),
      "apiVersion: v1\nkind: Namespace\nmetadata: {name: from-a-manifest}\n",
    );
    k3s = host.start({ env: { SECRET_OF_THE_ENVIRONMENT: "1" } });
    await k3s.ready();
  }, 120_000);
  afterAll(() => host[Symbol.asyncDispose]());

  const kubectl = async (...args: string[]): Promise<string> => {
    const { stdout, stderr, exitCode } = await k3s.kubectl(...args);
    if (exitCode !== 0) throw new Error(stderr);
    return stdout;
  };

  test("tells its supervisor, its API and its controllers apart", async () => {
    const node = `basic=node:${host.token}`;
    expect(await k3s.get("/ping")).toEqual({ status: 200, body: "pong" });
    expect(await k3s.get("/cacerts")).toEqual({
      status: 200,
      body: readFileSync(host.files.serverCa, "utf8"),
    });
    expect((await k3s.get("/readyz")).status).toBe(401);
    expect((await k3s.get("/readyz", node)).status).toBe(401);
    expect((await k3s.get("/v1-k3s/readyz")).status).toBe(401);
    expect((await k3s.get("/v1-k3s/readyz", "basic=node:other")).status).toBe(401);
    expect((await k3s.getAsAdmin("/v1-k3s/readyz")).status).toBe(403);
    expect((await k3s.get("/v1-k3s/readyz", `basic=server:${host.token}`)).status).toBe(403);
    expect(await k3s.get("/v1-k3s/readyz", node)).toEqual({ status: 200, body: "ok" });
  });

  test("advertises the supervisor's port and claims its own version", async () => {
    const slice = await kubectl("get", "endpointslice", "kubernetes", "-o", "json");
    expect(JSON.parse(slice)).toMatchObject({
      endpoints: [{ addresses: ["fdaa:1:2::3"] }],
      ports: [{ port: 6443 }],
    });
    const version = JSON.parse(await kubectl("get", "--raw", "/version"));
    expect(version).toMatchObject({ gitVersion: "v1.36.4+k3s1", minor: "36" });
  });

  test("lets the API server know who is calling", async () => {
    const whoami = ["auth", "whoami", "-o", "jsonpath={.status.userInfo.username}"];
    expect(await kubectl(...whoami)).toBe("system:admin");
    expect(await kubectl(...whoami, "--as=somebody")).toBe("somebody");

    const reviews = "/apis/authorization.k8s.io/v1";
    const forged = ["X-Remote-User:system:admin", "X-Remote-Group:system:masters"];
    expect((await k3s.get(reviews, ...forged)).status).toBe(401);
    const account = await eventually("a token", async () => kubectl("create", "token", "default"));
    expect((await k3s.get(reviews, `bearer=${account.trim()}`, ...forged)).status).toBe(200);
    expect((await k3s.get("/api/v1/nodes", `bearer=${account.trim()}`, ...forged)).status).toBe(
      403,
    );
    const node = `${host.files.folder}/agent/client-kubelet`;
    const asNode = [`cert=${node}.crt`, `key=${node}.key`, ...forged];
    expect((await k3s.get("/api/v1/namespaces", ...asNode)).status).toBe(403);
    expect((await k3s.get("/v1-k3s/readyz", ...asNode)).status).toBe(200);
  });

  test.each([
    ["kube-apiserver-client", "clientCa", ["digital signature", "client auth"]],
    ["kubelet-serving", "serverCa", ["digital signature", "server auth"]],
    ["kube-apiserver-client-kubelet", "clientCa", ["digital signature", "client auth"]],
  ] as const)("signs %s with the right authority", async (signer, authority, usages) => {
    const keys = await crypto.subtle.generateKey({ name: "ECDSA", namedCurve: "P-256" }, true, [
      "sign",
      "verify",
    ]);
    const isClient = signer === "kube-apiserver-client";
    const request = await Pkcs10CertificateRequestGenerator.create({
      name: isClient ? "CN=somebody" : "O=system:nodes, CN=system:node:n",
      keys,
      signingAlgorithm: { name: "ECDSA", hash: "SHA-256" },
      ...(signer === "kubelet-serving"
        ? { extensions: [new SubjectAlternativeNameExtension([{ type: "dns", value: "n" }])] }
        : {}),
    });
    const object = {
      apiVersion: "certificates.k8s.io/v1",
      kind: "CertificateSigningRequest",
      metadata: { name: signer },
      spec: {
        request: Buffer.from(request.toString("pem")).toString("base64"),
        signerName: `kubernetes.io/${signer}`,
        usages,
      },
    };
    const file = join(host.folder, `${signer}.json`);
    writeFileSync(file, JSON.stringify(object));
    const as = isClient ? [] : ["--as=system:node:n", "--as-group=system:nodes"];
    await kubectl(
      "create",
      "-f",
      file,
      ...as,
      "--as-group=system:masters",
      ...(isClient ? ["--as=x"] : []),
    );
    await kubectl("certificate", "approve", signer);
    const issued = await eventually("the certificate", async () => {
      const text = await kubectl("get", "csr", signer, "-o", "jsonpath={.status.certificate}");
      return text === "" ? undefined : Buffer.from(text, "base64");
    });
    const ca = new X509Certificate(readFileSync(host.files[authority]));
    expect(new X509Certificate(issued).verify(ca.publicKey)).toBe(true);
  });

  test("gives a node its certificates for the agents' secret and a password of its own", async () => {
    const path = "/v1-k3s/client-kubelet.crt";
    const ask = (...headers: string[]): Promise<{ status: number; body: string }> =>
      k3s.get(path, `basic=node:${host.token}`, ...headers);
    expect((await ask()).status).toBe(400);
    const first = await ask("k3s-Node-Name:Node-1", "k3s-Node-Password:one");
    expect(new X509Certificate(first.body).subject).toBe("O=system:nodes\nCN=system:node:node-1");
    expect((await ask("k3s-Node-Name:node-1", "k3s-Node-Password:one")).status).toBe(200);
    expect((await ask("k3s-Node-Name:node-1", "k3s-Node-Password:two")).status).toBe(403);
  });

  test("keeps K3s' files", async () => {
    const { files } = host;
    const sha = new Bun.CryptoHasher("sha256").update(readFileSync(files.serverCa)).digest("hex");
    expect(readFileSync(files.token, "utf8")).toBe(`K10${sha}::server:${host.token}\n`);
    expect(statSync(files.token).mode & 0o777).toBe(0o600);
    expect(statSync(files.kubeconfig).mode & 0o777).toBe(0o600);
    const etc = join(host.folder, "bin/etc");
    expect(readlinkSync(join(etc, "k3s/k3s.yaml"))).toBe(files.kubeconfig);
    expect(readFileSync(join(etc, "node/password"), "utf8")).toMatch(/^[0-9a-f]{32}\n$/);
    const admin = new X509Certificate(readFileSync(files.admin.cert));
    expect(admin.subject).toBe("O=system:masters\nCN=system:admin");
  });

  test("deploys what lies in its manifests, and none of its own packages", async () => {
    await eventually("the Namespace", async () => kubectl("get", "namespace", "from-a-manifest"));
    await eventually("its role", async () =>
      kubectl("get", "clusterrole", "system:k3s-controller"),
    );
    expect(readdirSync(host.files.manifests).toSorted()).toEqual([
      "ours.yaml",
      "rolebindings.yaml",
    ]);
  });

  test("hides its command line and its environment, and is what it unpacked", () => {
    const about = `/proc/${k3s.process.pid}`;
    const title = readFileSync(`${about}/cmdline`, "utf8").replaceAll("\0", "");
    expect(title).toBe(`${host.executable} server`);
    expect(readFileSync(`${about}/environ`, "utf8").replaceAll("\0", "")).toBe("");
    expect(readFileSync(`${about}/comm`, "utf8")).toBe("k3s-server\n");
    expect(readlinkSync(`${about}/exe`)).toStartWith(`${host.files.unpacked}/`);
  });

  test("does not keep a second one from its port, which harms both", async () => {
    const second = host.start({ beside: k3s });
    expect(await second.ended()).toBe(0);
    expect(second.log()).toMatch(
      /level=error msg="Shutdown request received: .*\[::1\]:6444: bind: address already in use/,
    );
  });
});

describe.skipIf(cannotRunK3s)("a stand-in for K3s over its life", () => {
  test("stops in time, comes back with its certificates, and leaves nothing when it is killed", async () => {
    await using host = await k3sHost();
    const first = host.start();
    await first.ready();
    await first.kubectl("create", "namespace", "kept");
    const ca = readFileSync(host.files.serverCa, "utf8");
    const { exitCode, tookMs } = await first.stop();
    expect(exitCode).toBe(0);
    expect(tookMs).toBeLessThan(STOP_LIMIT_MS);

    // The token and the database alone bring everything back.
    const kept = join(host.folder, "kept");
    cpSync(join(host.files.folder, "server/db"), kept, { recursive: true });
    rmSync(host.files.folder, { recursive: true });
    mkdirSync(host.files.home, { recursive: true });
    writeFileSync(host.files.config, "{}\n");
    cpSync(kept, join(host.files.folder, "server/db"), { recursive: true });
    const second = host.start();
    await second.ready();
    expect(readFileSync(host.files.serverCa, "utf8")).toBe(ca);
    expect((await second.kubectl("get", "namespace", "kept")).exitCode).toBe(0);

    const parts = await eventually("four parts", async () => {
      const pids = partsOf(second.process.pid);
      return pids.length >= 4 ? pids : undefined;
    });
    second.process.kill("SIGKILL");
    await second.process.exited;
    await eventually("they are gone", async () =>
      parts.every((pid) => processIdentity(pid) === undefined) ? true : undefined,
    );

    writeFileSync(host.tokenFile, "another-secret\n");
    const third = host.start();
    expect(await third.ended()).toBe(1);
    expect(third.log()).toMatch(
      /level=fatal msg=".*bootstrap data already found and encrypted with different token"/,
    );
  }, 120_000);

  test("tells of a part that died, and ends with 0", async () => {
    await using host = await k3sHost();
    const k3s = host.start();
    await k3s.ready();
    const scheduler = await eventually(
      "its scheduler",
      async () => partsOf(k3s.process.pid, "scheduler")[0],
    );
    process.kill(scheduler, "SIGKILL");
    expect(await k3s.ended()).toBe(0);
    expect(k3s.log()).toContain('level=error msg="Shutdown request received: \\"scheduler exited');
  }, 60_000);

  test("issues aged certificates anew at its next start", async () => {
    await using host = await k3sHost({ leafDays: 100, behaviour: "never-ready" });
    const daysLeft = (): number => {
      const { validTo } = new X509Certificate(readFileSync(host.files.admin.cert));
      return Math.round((Date.parse(validTo) - Date.now()) / 86_400_000);
    };
    const first = host.start();
    await first.says(/Polling for API server readiness/);
    expect(daysLeft()).toBe(100);
    await first.stop();
    const second = host.start();
    await second.says(/Polling for API server readiness/);
    expect(daysLeft()).toBe(365);
  }, 60_000);

  test("unpacks itself anew for another version, and keeps the one before", async () => {
    await using host = await k3sHost({ behaviour: "never-ready" });
    const run = async (version: string): Promise<string> => {
      await shapeK3s(host.executable, { version, behaviour: "never-ready" });
      const k3s = host.start();
      await k3s.says(/Polling for API server readiness/);
      await k3s.stop();
      return readlinkSync(join(host.files.unpacked, "current"));
    };
    const old = await run("v1.36.3+k3s1");
    const current = await run("v1.36.4+k3s1");
    expect(current).not.toBe(old);
    expect(readlinkSync(join(host.files.unpacked, "previous"))).toBe(old);
    expect(existsSync(old)).toBe(true);
  }, 60_000);
});

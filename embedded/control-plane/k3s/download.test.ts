import { dlopen } from "bun:ffi";
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { createServer, type ServerResponse } from "node:http";
import { connect, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { hostClock } from "#adapters/host/clock.ts";
import { fakeClock } from "#test/fakes/clock.ts";
import { eventually } from "#test/fakes/eventually.ts";
import { testCa } from "#test/fakes/kubelet-pki.ts";
import { failureOf } from "#test/fixtures/failure.ts";
import { k3sLike, sha256, type TestReleases, testReleases } from "#test/fixtures/k3s-releases.ts";
import { type Download, downloadK3s } from "./download.ts";
import type { Release } from "./release.ts";
import { type Patience, redirected } from "./web.ts";

const VERSION = "v1.36.4+k3s1";
const PATHS = {
  binary: "/download/v1.36.4%2Bk3s1/k3s",
  sums: "/download/v1.36.4%2Bk3s1/sha256sum-amd64.txt",
};
const K3S = k3sLike(VERSION);
/** Nobody is waited for so long, but where a test is about just that. */
const PATIENCE = { connectMs: 60_000, quietMs: 60_000, retryMs: 1 };
const never = new AbortController().signal;
const scratch = mkdtempSync(join(tmpdir(), "fks-k3s-"));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

const RELEASE: Release = {
  version: VERSION,
  arch: "amd64",
  binary: "k3s",
  checksums: "sha256sum-amd64.txt",
  sha256: undefined,
};

interface Here extends Download {
  readonly lines: string[];
  readonly binary: string;
  readonly part: string;
}

/** A host whose cache is empty, and how it would download. */
function here(
  releases: string,
  env: Record<string, string> = {},
  patience: Partial<Patience> = {},
): Here {
  const folder = join(scratch, crypto.randomUUID(), VERSION);
  const lines: string[] = [];
  return {
    release: RELEASE,
    releases,
    folder,
    web: { env, clock: hostClock(), patience: { ...PATIENCE, ...patience } },
    // How long it has taken is left out.
    onProgress: (line) => void lines.push(line.replace(/ \(\d+ s\)$/, "")),
    lines,
    binary: join(folder, "k3s"),
    part: join(folder, "k3s.part"),
  };
}

/** A host that publishes the release. */
async function published(): Promise<TestReleases> {
  const releases = await testReleases();
  releases.publish(VERSION, "amd64", K3S);
  return releases;
}

/** Answers requests for the binary with `answer`, by how many there were before. */
function binaryFrom(
  releases: TestReleases,
  answer: (response: ServerResponse, nth: number) => boolean,
): void {
  let nth = 0;
  releases.intercept = ({ url }, response) => url === PATHS.binary && answer(response, nth++);
}

/** Part of an answer, and when it has come the line is cut: a reset before would take it along. */
function cutAfter(response: ServerResponse, at: Here, bytes: Buffer): true {
  const before = sizeOf(at.part);
  response.write(bytes);
  void eventually(() => sizeOf(at.part) === before + bytes.length).then(() =>
    response.socket?.resetAndDestroy(),
  );
  return true;
}

const sizeOf = (path: string): number => statSync(path, { throwIfNoEntry: false })?.size ?? 0;

function leavePart(at: Here, bytes: Buffer): void {
  mkdirSync(at.folder, { recursive: true });
  writeFileSync(at.part, bytes);
}

const binaryRequests = (releases: TestReleases): string[] =>
  releases.requests.filter((request) => request.startsWith(PATHS.binary));

test("a release is fetched, checked and put where it can be run, with its checksum file", async () => {
  await using releases = await published();
  const at = here(releases.url);

  expect(await downloadK3s(at, never)).toBe("download");
  expect(readFileSync(at.binary).equals(K3S)).toBe(true);
  expect(statSync(at.binary).mode & 0o777).toBe(0o755);
  expect(readdirSync(at.folder).toSorted()).toEqual([".lock", "k3s", "sha256sum-amd64.txt"]);
  expect(releases.requests).toEqual([PATHS.sums, PATHS.binary]);
  expect([at.lines[0], at.lines.at(-1)]).toEqual([
    `Downloading K3s ${VERSION} from ${new URL(releases.url).host}`,
    `K3s ${VERSION} is downloaded and checked`,
  ]);
});

test("while it comes one hears how far it is", async () => {
  await using releases = await published();
  binaryFrom(releases, (response) => {
    response.writeHead(200, { "content-length": K3S.length }).write(K3S.subarray(0, 30_000));
    setTimeout(() => response.end(K3S.subarray(30_000)), 550);
    return true;
  });
  const at = here(releases.url);
  await downloadK3s(at, never);

  expect(at.lines.length).toBeGreaterThan(2);
  expect(at.lines[1]).toMatch(/^K3s v1\.36\.4\+k3s1: 0\.\d of 0\.3 MiB, \d+ %$/);
});

describe("a digest recorded in the pin", () => {
  test("is the one that counts, and nothing is asked for checksums", async () => {
    await using releases = await published();
    const pinned = { ...here(releases.url), release: { ...RELEASE, sha256: sha256(K3S) } };

    expect(await downloadK3s(pinned, never)).toBe("download");
    expect(releases.requests).toEqual([PATHS.binary]);
  });

  test("refuses what the release host says is right", async () => {
    await using releases = await published();
    const recorded = "a".repeat(64);
    const pinned = { ...here(releases.url), release: { ...RELEASE, sha256: recorded } };

    expect(await failureOf(downloadK3s(pinned, never))).toBe(
      `InvalidInput: K3s ${VERSION} cannot be downloaded: k3s from ${new URL(releases.url).host} has sha256 ${sha256(K3S).slice(0, 12)}…, and fks-node says aaaaaaaaaaaa…`,
    );
    expect(readdirSync(pinned.folder)).toEqual([".lock"]);
  });
});

describe("a download that was cut", () => {
  test("goes on where it was, in the same run", async () => {
    await using releases = await published();
    const at = here(releases.url);
    binaryFrom(releases, (response, nth) => {
      if (nth > 0) return false;
      response.writeHead(200, { "content-length": K3S.length });
      return cutAfter(response, at, K3S.subarray(0, 100_000));
    });

    expect(await downloadK3s(at, never)).toBe("download");
    expect(readFileSync(at.binary).equals(K3S)).toBe(true);
    expect(binaryRequests(releases)).toEqual([PATHS.binary, `${PATHS.binary} bytes=100000-`]);
  });

  test("goes on where it was in another run", async () => {
    await using releases = await published();
    const at = here(releases.url);
    leavePart(at, K3S.subarray(0, 200_000));

    expect(await downloadK3s(at, never)).toBe("download");
    expect(readFileSync(at.binary).equals(K3S)).toBe(true);
    expect(binaryRequests(releases)).toEqual([`${PATHS.binary} bytes=200000-`]);
    expect(at.lines[0]).toContain(", going on at 0.2 MiB");
  });

  test("starts over where the host knows no ranges", async () => {
    await using releases = await published();
    const at = here(releases.url);
    binaryFrom(releases, (response, nth) => {
      if (nth > 0) return end(response, K3S);
      response.writeHead(200, { "content-length": K3S.length });
      return cutAfter(response, at, K3S.subarray(0, 100_000));
    });

    expect(await downloadK3s(at, never)).toBe("download");
    expect(readFileSync(at.binary).equals(K3S)).toBe(true);
  });

  test("starts over once when the file is another one now", async () => {
    await using releases = await published();
    const at = here(releases.url);
    leavePart(at, k3sLike("v1.36.3+k3s1").subarray(0, 200_000));

    expect(await downloadK3s(at, never)).toBe("download");
    expect(readFileSync(at.binary).equals(K3S)).toBe(true);
    expect(binaryRequests(releases)).toEqual([`${PATHS.binary} bytes=200000-`, PATHS.binary]);
    expect(at.lines.join()).toContain("once more from the start");
  });

  test("starts over when more is there than the file has", async () => {
    await using releases = await published();
    const at = here(releases.url);
    leavePart(at, Buffer.concat([K3S, K3S]));

    expect(await downloadK3s(at, never)).toBe("download");
    expect(binaryRequests(releases)).toEqual([
      `${PATHS.binary} bytes=${K3S.length * 2}-`,
      PATHS.binary,
    ]);
  });

  test("that lacked nothing but its name is not fetched again", async () => {
    await using releases = await published();
    const at = here(releases.url);
    leavePart(at, K3S);

    expect(await downloadK3s(at, never)).toBe("download");
    expect(binaryRequests(releases)).toEqual([`${PATHS.binary} bytes=${K3S.length}-`]);
  });

  test("does not take another part than it asked for", async () => {
    await using releases = await published();
    binaryFrom(releases, (response, nth) => {
      if (nth > 0) return false;
      response.writeHead(206, { "content-range": `bytes 5-${K3S.length - 1}/${K3S.length}` });
      response.end(K3S.subarray(5));
      return true;
    });
    const at = here(releases.url);
    leavePart(at, K3S.subarray(0, 200_000));

    expect(await downloadK3s(at, never)).toBe("download");
    expect(readFileSync(at.binary).equals(K3S)).toBe(true);
    expect(at.lines.join()).not.toContain("once more");
  });

  test("goes on as long as something comes, however often it is cut", async () => {
    await using releases = await published();
    const at = here(releases.url);
    releases.intercept = ({ url, headers }, response) => {
      if (url !== PATHS.binary) return false;
      const from = Number(/\d+/.exec(headers.range ?? "")?.[0] ?? 0);
      const rest = K3S.subarray(from);
      response.writeHead(from === 0 ? 200 : 206, {
        "content-length": rest.length,
        "content-range": `bytes ${from}-${K3S.length - 1}/${K3S.length}`,
      });
      if (rest.length <= 50_000) return end(response, rest);
      return cutAfter(response, at, rest.subarray(0, 50_000));
    };

    expect(await downloadK3s(at, never)).toBe("download");
    expect(binaryRequests(releases)).toHaveLength(Math.ceil(K3S.length / 50_000));
    expect(readFileSync(at.binary).equals(K3S)).toBe(true);
  });

  test("by the one who waits stays for the next time", async () => {
    await using releases = await published();
    const stopping = new AbortController();
    const at = here(releases.url);
    binaryFrom(releases, (response) => {
      response.writeHead(200, { "content-length": K3S.length }).write(K3S.subarray(0, 100_000));
      void eventually(() => sizeOf(at.part) === 100_000).then(() =>
        stopping.abort(new Error("interrupted")),
      );
      return true;
    });

    expect(await downloadK3s(at, stopping.signal).catch(String)).toBe("Error: interrupted");
    expect(readFileSync(at.part).equals(K3S.subarray(0, 100_000))).toBe(true);
    expect(existsSync(at.binary)).toBe(false);

    releases.intercept = () => false;
    expect(await downloadK3s(at, never)).toBe("download");
    expect(binaryRequests(releases).at(-1)).toBe(`${PATHS.binary} bytes=100000-`);
  });
});

describe("two processes", () => {
  test("fetch it once between them, and both have it", async () => {
    await using releases = await published();
    const at = here(releases.url);
    binaryFrom(releases, (response) => {
      setTimeout(() => response.end(K3S), 30);
      return true;
    });

    const both = await Promise.all([downloadK3s(at, never), downloadK3s(at, never)]);

    expect(both.toSorted()).toEqual(["cache", "download"]);
    expect(binaryRequests(releases)).toHaveLength(1);
    expect(at.lines).toContain(`Another process fetches K3s ${VERSION}: waiting`);
  });

  test("one of which was killed do not keep each other waiting", async () => {
    await using releases = await published();
    const at = here(releases.url);
    leavePart(at, K3S.subarray(0, 1_000));
    const lock = JSON.stringify(join(at.folder, ".lock"));
    const program = `
      const { lockFile } = await import("./embedded/control-plane/k3s/file-lock.ts");
      const { hostClock } = await import("./adapters/host/clock.ts");
      await lockFile(${lock}, { clock: hostClock(), onWait() {} }, new AbortController().signal);
      console.log("locked");
      setInterval(() => {}, 1_000);`;
    const child = Bun.spawn([process.execPath, "-e", program], { stdout: "pipe" });
    await child.stdout.getReader().read();
    const waiting = downloadK3s(at, never);
    await eventually(() => at.lines.length > 0);
    child.kill("SIGKILL");

    expect(await waiting).toBe("download");
    expect(at.lines[0]).toContain("Another process fetches");
  });
});

describe("what a host can do to us", () => {
  /** Name, what it does with every request, what the user reads after "cannot be downloaded: ". */
  const bad: readonly (readonly [string, TestReleases["intercept"], string])[] = [
    [
      "answers 404",
      (_, response) => end(response.writeHead(404)),
      "NotFound: HOST has no sha256sum-amd64.txt (404)",
    ],
    [
      "answers 403",
      (_, response) => end(response.writeHead(403)),
      "Unavailable: HOST answers 403 for sha256sum-amd64.txt",
    ],
    [
      "answers 500",
      (_, response) => end(response.writeHead(500)),
      "Unavailable: HOST answers 500 for sha256sum-amd64.txt",
    ],
    [
      "wants us to wait an hour",
      (_, response) => end(response.writeHead(503, { "retry-after": "3600" })),
      "Unavailable: HOST answers 503 for sha256sum-amd64.txt",
    ],
    [
      "closes every connection",
      (request) => {
        request.socket.resetAndDestroy();
        return true;
      },
      "Unavailable: HOST closed the connection",
    ],
    [
      "redirects in a circle",
      (_, response) => end(response.writeHead(302, { location: PATHS.sums })),
      "Unavailable: HOST redirects in a circle",
    ],
    [
      "redirects to nowhere",
      (_, response) => end(response.writeHead(302, { location: "http://[" })),
      "Unavailable: HOST redirects to what is no URL",
    ],
    [
      "redirects to another protocol",
      (_, response) => end(response.writeHead(302, { location: "file:///etc/passwd" })),
      "Unavailable: HOST redirects from http to file, which is not followed",
    ],
    [
      "has a login page in place of checksums",
      (_, response) => end(response, "<!DOCTYPE html><html>"),
      "InvalidInput: sha256sum-amd64.txt from HOST is a web page, not a list of checksums",
    ],
    [
      "has a checksum file of other files",
      (_, response) => end(response, `${"0".repeat(64)}  k3s-arm64\n`),
      "InvalidInput: sha256sum-amd64.txt from HOST does not name k3s",
    ],
    [
      "has an endless checksum file",
      (_, response) => end(response, "x".repeat(100_000)),
      "InvalidInput: sha256sum-amd64.txt from HOST is far too long",
    ],
  ];

  test.each(bad)("%s", async (_, intercept, sentence) => {
    await using releases = await published();
    releases.intercept = intercept;
    const at = here(releases.url);
    const [code, reason] = sentence.split(": ", 2);

    expect(await failureOf(downloadK3s(at, never))).toBe(
      `${code}: K3s ${VERSION} cannot be downloaded: ${reason?.replace("HOST", new URL(releases.url).host)}`,
    );
    expect(existsSync(at.binary)).toBe(false);
  });

  test("fails twice and then works", async () => {
    await using releases = await published();
    let asked = 0;
    releases.intercept = (_, response) => ++asked < 3 && end(response.writeHead(502));

    expect(await downloadK3s(here(releases.url), never)).toBe("download");
  });

  test("sends the wrong file", async () => {
    await using releases = await published();
    binaryFrom(releases, (response) => end(response, "<html>blocked</html>"));
    const at = here(releases.url);

    expect(await failureOf(downloadK3s(at, never))).toMatch(
      /k3s from \S+ has sha256 [0-9a-f]{12}…, and sha256sum-amd64\.txt says [0-9a-f]{12}…$/,
    );
    expect(readdirSync(at.folder).toSorted()).toEqual([".lock", RELEASE.checksums]);
  });

  test("sends less than it said, every time", async () => {
    await using releases = await published();
    const short = K3S.subarray(0, 1_000);
    releases.files.set(PATHS.binary, short);
    const at = here(releases.url);
    releases.intercept = ({ url, headers }, response) => {
      if (url !== PATHS.binary || headers.range !== undefined) return false;
      response.writeHead(200, { "content-length": 5_000 });
      return cutAfter(response, at, short);
    };

    expect(await failureOf(downloadK3s(at, never))).toContain("has sha256");
  });

  test("sends more than it said", async () => {
    await using releases = await published();
    binaryFrom(releases, (response) => {
      response.socket?.end(`HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n${K3S.toString()}`);
      return true;
    });

    expect(await failureOf(downloadK3s(here(releases.url), never))).toContain("has sha256");
  });

  test("never answers", async () => {
    await using releases = await published();
    releases.intercept = () => true;
    const at = here(releases.url, {}, { quietMs: 60 });

    expect(await failureOf(downloadK3s(at, never))).toBe(
      `Unavailable: K3s ${VERSION} cannot be downloaded: ${new URL(releases.url).host} takes connections but does not answer within 0.06 s`,
    );
  });

  test("sends headers and no more", async () => {
    await using releases = await published();
    binaryFrom(releases, (response) => {
      response.writeHead(200, { "content-length": K3S.length }).flushHeaders();
      return true;
    });
    const at = here(releases.url);
    const clock = fakeClock();
    const failing = failureOf(downloadK3s({ ...at, web: { ...at.web, clock } }, never));
    await eventually(() => binaryRequests(releases).length === 1);
    clock.advance(PATIENCE.quietMs);

    expect(await failing).toMatch(/sent nothing for 60 s|does not answer within 60 s/);
    expect(binaryRequests(releases)).toHaveLength(1);
  });

  test("stalls, and sends the rest when it is asked again", async () => {
    await using releases = await published();
    binaryFrom(releases, (response, nth) => {
      if (nth > 0) return false;
      response.writeHead(200, { "content-length": K3S.length });
      response.write(K3S.subarray(0, 100_000));
      return true;
    });
    const at = here(releases.url);
    const clock = fakeClock();
    const downloading = downloadK3s({ ...at, web: { ...at.web, clock } }, never);
    await eventually(() => sizeOf(at.part) === 100_000);
    clock.advance(PATIENCE.quietMs);
    await eventually(() => binaryRequests(releases).length === 2, { clock });

    expect(await downloading).toBe("download");
    expect(binaryRequests(releases)[1]).toBe(`${PATHS.binary} bytes=100000-`);
  });

  test("closes each connection at the same place", async () => {
    await using releases = await published();
    const at = here(releases.url);
    binaryFrom(releases, (response) => {
      response.writeHead(200, { "content-length": K3S.length });
      response.write(K3S.subarray(0, 100_000), () => response.socket?.end());
      return true;
    });

    expect(await failureOf(downloadK3s(at, never))).toContain("closed the connection");
    // What has come when a connection fails may be lost with it, so they differ in how far they get.
    expect(binaryRequests(releases).length).toBeLessThan(10);
  });

  test("announces more than a K3s can be", async () => {
    await using releases = await published();
    binaryFrom(releases, (response) => {
      response.writeHead(200, { "content-length": 3 * 1_024 ** 3 });
      response.write("x");
      return true;
    });

    expect(await failureOf(downloadK3s(here(releases.url), never))).toContain(
      "is larger than the 200 MiB a K3s may have",
    );
  });

  test("refuses the connection", async () => {
    const gone = await testReleases();
    await gone[Symbol.asyncDispose]();

    expect(await failureOf(downloadK3s(here(gone.url), never))).toBe(
      `Unavailable: K3s ${VERSION} cannot be downloaded: ${new URL(gone.url).host} refuses the connection`,
    );
  });

  test("has a name that nobody knows", async () => {
    expect(await failureOf(downloadK3s(here("https://releases.invalid/k3s"), never))).toBe(
      `Unavailable: K3s ${VERSION} cannot be downloaded: releases.invalid cannot be resolved`,
    );
  });

  test("does not speak TLS", async () => {
    await using releases = await published();
    const url = releases.url.replace("http:", "https:");

    expect(await failureOf(downloadK3s(here(url), never))).toContain("does not speak TLS there");
  });
});

describe("a host that drops packets", () => {
  let host: Awaited<ReturnType<typeof packetDropper>>;
  let port = 0;
  beforeAll(async () => {
    host = await packetDropper();
    ({ port } = host);
  });
  afterAll(() => host.close());

  test("is given up soon", async () => {
    const at = here(`http://127.0.0.1:${port}/`, {}, { connectMs: 30 });

    expect(await failureOf(downloadK3s(at, never))).toBe(
      `Unavailable: K3s ${VERSION} cannot be downloaded: 127.0.0.1:${port} takes no connection within 0.03 s`,
    );
  });

  test("can be given up by the one who waits", async () => {
    const stop = AbortSignal.timeout(20);
    const failure = await downloadK3s(here(`http://127.0.0.1:${port}/`), stop).catch(
      (error: unknown) => error,
    );

    expect(failure).toBe(stop.reason);
  });
});

describe("redirects", () => {
  test("lead from the release host to where its files lie", async () => {
    await using files = await published();
    await using releases = await testReleases();
    releases.intercept = ({ url }, response) =>
      end(response.writeHead(302, { location: new URL(url ?? "", files.url).href }));
    const at = here(releases.url);
    leavePart(at, K3S.subarray(0, 1_000));

    expect(await downloadK3s(at, never)).toBe("download");
    expect(files.requests).toEqual([PATHS.sums, `${PATHS.binary} bytes=1000-`]);
  });

  test.each(["http://127.0.0.1/k3s", "ftp://127.0.0.1/k3s"])(
    "from https never lead to %s",
    (to) => {
      const protocol = to.split(":")[0];

      expect(() => redirected(new URL("https://github.com/k3s"), to)).toThrow(
        `github.com redirects from https to ${protocol}, which is not followed`,
      );
    },
  );

  test("may lead from http to https, and to another folder", () => {
    const from = new URL("http://mirror/a/b");

    expect(redirected(from, "https://files/k3s").href).toBe("https://files/k3s");
    expect(redirected(from, "../c").href).toBe("http://mirror/c");
  });
});

test("a host with a certificate of its own making is not trusted", async () => {
  const ca = await testCa("nobody");
  const server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    tls: await ca.server("127.0.0.1"),
    fetch: () => new Response("hello"),
  });
  const at = here(`https://127.0.0.1:${server.port}`);

  expect(await failureOf(downloadK3s(at, never))).toContain(
    "shows a certificate that is not trusted here (UNABLE_TO_",
  );
  await server.stop(true);
});

describe("a proxy", () => {
  test("is used for what the environment says, and the user's name for it is not told", async () => {
    await using releases = await published();
    const asked: string[] = [];
    const proxy = createServer((request, response) => {
      asked.push(`${request.headers["proxy-authorization"]} ${request.url}`);
      void fetch(request.url ?? "", { proxy: false })
        .then((answer) => answer.bytes())
        .then((bytes) => response.end(bytes));
    });
    const port = await listening(proxy);
    const at = here(releases.url, { http_proxy: `http://ada:secret@127.0.0.1:${port}` });

    expect(await downloadK3s(at, never)).toBe("download");
    expect(asked).toEqual([
      `Basic ${btoa("ada:secret")} ${new URL(PATHS.sums, releases.url).href}`,
      `Basic ${btoa("ada:secret")} ${new URL(PATHS.binary, releases.url).href}`,
    ]);
    expect(at.lines.join()).not.toContain("secret");
    proxy.close();
  });

  test("that is not there is named, without its password", async () => {
    const at = here("https://releases.invalid", { HTTPS_PROXY: "http://ada:secret@127.0.0.1:1" });

    expect(await failureOf(downloadK3s(at, never))).toBe(
      `Unavailable: K3s ${VERSION} cannot be downloaded: the proxy 127.0.0.1:1 refuses the connection`,
    );
  });

  test("that does not let us through is named", async () => {
    const proxy = createServer().on("connect", (_, socket: Socket) => {
      socket.end("HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n");
    });
    const port = await listening(proxy);
    const at = here("https://releases.invalid", { HTTPS_PROXY: `127.0.0.1:${port}` });

    expect(await failureOf(downloadK3s(at, never))).toContain(
      `the proxy 127.0.0.1:${port} lets us not through: Proxy refused to open a tunnel: 403 Forbidden`,
    );
    proxy.close();
  });

  test("is left out for the hosts of NO_PROXY", async () => {
    await using releases = await published();
    const at = here(releases.url, { HTTP_PROXY: "http://127.0.0.1:1", NO_PROXY: "127.0.0.0/8" });

    expect(await downloadK3s(at, never)).toBe("download");
  });
});

test("a cache that cannot be is named", async () => {
  await using releases = await published();
  const at = here(releases.url);
  writeFileSync(join(scratch, "file"), "");
  const folder = join(scratch, "file/k3s");

  expect(await failureOf(downloadK3s({ ...at, folder }, never))).toBe(
    `InvalidInput: K3s ${VERSION} cannot be downloaded: ${folder} cannot be a folder (ENOTDIR)`,
  );
});

/** A port on which nobody takes connections: its queue holds one, and then the kernel drops what comes. */
async function packetDropper(): Promise<{ readonly port: number; close(): void }> {
  const libc = dlopen("libc.so.6", {
    socket: { args: ["i32", "i32", "i32"], returns: "i32" },
    bind: { args: ["i32", "ptr", "u32"], returns: "i32" },
    listen: { args: ["i32", "i32"], returns: "i32" },
    getsockname: { args: ["i32", "ptr", "ptr"], returns: "i32" },
  });
  const [AF_INET, SOCK_STREAM_CLOEXEC] = [2, 0o2000001];
  const fd = libc.symbols.socket(AF_INET, SOCK_STREAM_CLOEXEC, 0);
  const address = Buffer.from([AF_INET, 0, 0, 0, 127, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0]);
  expect(libc.symbols.bind(fd, address, address.length)).toBe(0);
  expect(libc.symbols.listen(fd, 0)).toBe(0);
  libc.symbols.getsockname(fd, address, new Uint32Array([address.length]));
  libc.close();

  const port = address.readUInt16BE(2);
  const queued = connect(port, "127.0.0.1");
  await new Promise((resolve) => {
    queued.once("connect", resolve);
  });
  return {
    port,
    close() {
      queued.destroy();
      closeSync(fd);
    },
  };
}

function end(response: ServerResponse, content: string | Buffer = ""): true {
  response.end(content);
  return true;
}

function listening(server: Server): Promise<number> {
  return new Promise((resolve) => {
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      resolve(typeof address === "object" && address !== null ? address.port : 0);
    });
  });
}

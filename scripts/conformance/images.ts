import { readFileSync } from "node:fs";
import { join } from "node:path";
import { busyboxRoot } from "../busybox-root.ts";
import { type BuiltImage, builtImage, type LayerSpec } from "../image-archive.ts";
import type { TarEntry } from "../tar-writer.ts";
import { foldersOf, programEntries } from "./debian.ts";
import type { Programs } from "./programs.ts";

const E2E = "registry.k8s.io/e2e-test-images";

/** What is asked for although it must not be there: those tests want the pull to fail. */
const MEANT_TO_FAIL = /^(invalid\.|gcr\.io\/k8s-authenticated-test\/)/;

export interface ImageSources {
  readonly programs: Programs;
  /** Folder with Debian's programs. */
  readonly debian: string;
  /** Folder of the suite's own images' sources. */
  readonly images: string;
}

/** The images that conformance tests run, under the names the suite asks for. */
export async function conformanceImages(sources: ImageSources): Promise<readonly BuiltImage[]> {
  const { programs, images } = sources;
  const base: LayerSpec = { entries: busyboxRoot() };
  const agnhost = [base, ...(await agnhostLayers(sources))];
  const picture = (name: string): LayerSpec => ({
    entries: [
      ...[`${name}.jpg`, "data.json"].map((file) => ({
        path: file,
        content: readFileSync(join(images, name, "html", file)),
      })),
      // The test of image volumes looks for a name that only the registry's own image has.
      { path: "etc/os-release", content: 'NAME="Alpine Linux (rebuilt for a test)"\n' },
    ],
  });
  const resolvers: LayerSpec = {
    entries: await programEntries(sources.debian, { dig: "bin/dig", getent: "bin/getent" }),
  };
  const sample: LayerSpec = { entries: [executable("sample-apiserver", programs.sample)] };
  const etcd: LayerSpec = {
    entries: [...foldersOf([ETCD]), executable(ETCD, programs.etcd)],
  };
  const pauseLayer: LayerSpec = { entries: [executable("pause", programs.pause)] };
  const nnp: LayerSpec = {
    entries: [
      { path: "usr/local/", type: "directory", mode: 0o755 },
      { path: "usr/local/bin/", type: "directory", mode: 0o755 },
      { ...executable("usr/local/bin/nnp", programs.nnp), mode: 0o6755 },
    ],
  };
  const nginx = [base, await nginxLayer(sources)];
  // Debian's busybox drops variables that no shell can name, `data-1`; the image's own keeps them.
  // Found first by `sh`, and not by `/bin/sh`, whose messages tests compare.
  const shell: LayerSpec = {
    entries: await programEntries(sources.debian, { bash: "usr/local/bin/sh" }),
  };

  return [
    ...["2.63.0", "2.55"].map((tag) =>
      named(`${E2E}/agnhost:${tag}`, agnhost, { ...AGNHOST, Cmd: ["pause"] }),
    ),
    ...["1.37.0-1", "1.36.1-1"].map((tag) =>
      named(`${E2E}/busybox:${tag}`, [base, shell], { Cmd: ["sh"] }),
    ),
    ...["1.27-0", "1.15-4"].map((tag) => named(`${E2E}/nginx:${tag}`, nginx, NGINX)),
    named(`${E2E}/kitten:1.8`, [...agnhost, picture("kitten")], WEB_SERVER),
    named(`${E2E}/nautilus:1.8`, [...agnhost, picture("nautilus")], WEB_SERVER),
    named(`${E2E}/nonewprivs:1.4`, [base, nnp], { Cmd: ["nnp"] }),
    named(`${E2E}/nonroot:1.5`, [base], { Cmd: ["sh"], User: "1234" }),
    named(`${E2E}/glibc-dns-testing:2.0.0`, [base, resolvers], { Cmd: ["sleep", "inf"] }),
    named(`${E2E}/sample-apiserver:1.29.2`, [base, sample], { Entrypoint: ["/sample-apiserver"] }),
    named("registry.k8s.io/etcd:3.6.8-0", [base, etcd], { Cmd: ["etcd"] }),
    named("registry.k8s.io/pause:3.10.2", [pauseLayer], PAUSE),
  ];
}

/** Of the images in `wanted`, those that are neither built here nor meant to be missing. */
export function missingImages(
  wanted: readonly string[],
  built: readonly { readonly reference: string }[],
): readonly string[] {
  const there = new Set(built.map(({ reference }) => reference));
  return wanted.filter((image) => !there.has(image) && !MEANT_TO_FAIL.test(image)).toSorted();
}

/** Where the test of aggregated API servers starts it. */
const ETCD = "usr/local/bin/etcd";

const PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

const AGNHOST = {
  Entrypoint: ["/agnhost"],
  ExposedPorts: { "80/tcp": {}, "8080/tcp": {}, "8081/tcp": {}, "9376/tcp": {}, "5000/tcp": {} },
};
const WEB_SERVER = { ...AGNHOST, Cmd: ["test-webserver"] };
const NGINX = {
  Cmd: ["nginx", "-g", "daemon off;"],
  ExposedPorts: { "80/tcp": {} },
  StopSignal: "SIGQUIT",
};
const PAUSE = { Entrypoint: ["/pause"], User: "65535:65535" };

function named(
  reference: string,
  layers: readonly LayerSpec[],
  config: Readonly<Record<string, unknown>>,
): BuiltImage {
  return builtImage({ reference, layers, config: { Env: [PATH], WorkingDir: "/", ...config } });
}

async function agnhostLayers({
  programs,
  debian,
  images,
}: ImageSources): Promise<readonly LayerSpec[]> {
  const tools = await programEntries(debian, {
    bash: "bin/bash",
    curl: "bin/curl",
    dig: "bin/dig",
    getent: "bin/getent",
    host: "bin/host",
    iperf: "bin/iperf",
    ip: "bin/ip",
    ipcs: "bin/ipcs",
    "nc.openbsd": "bin/nc",
    nslookup: "bin/nslookup",
    ss: "bin/ss",
  });
  const porter = ["localhost.crt", "localhost.key"].map((file) => ({
    path: file,
    content: readFileSync(join(images, "agnhost/porter", file)),
  }));
  const own: readonly TarEntry[] = [
    executable("agnhost", programs.agnhost),
    // Debian's busybox shell takes its own `nc` and `ip` for those of the image.
    { path: "bin/sh", type: "symlink", linkname: "bash", mode: 0o777 },
    // Tests of entry points tell by the name which of the two was started.
    { path: "agnhost-2", type: "symlink", linkname: "agnhost", mode: 0o777 },
    { path: "uploads/", type: "directory", mode: 0o755 },
    { path: "home/", type: "directory", mode: 0o755 },
    { path: "home/user-defined-in-image/", type: "directory", uid: 1000, gid: 1000 },
    { path: "etc/passwd", content: PASSWD },
    { path: "etc/group", content: GROUP },
    ...porter,
  ];
  return [{ entries: tools }, { entries: own }];
}

const PASSWD = `root:x:0:0:root:/root:/bin/sh
nobody:x:65534:65534:nobody:/:/sbin/nologin
user-defined-in-image:x:1000:1000:Linux User,,,:/home/user-defined-in-image:/bin/sh
`;

const GROUP = `root:x:0:root
nogroup:x:65533:
nobody:x:65534:
user-defined-in-image:x:1000:
group-defined-in-image:x:50000:user-defined-in-image
`;

async function nginxLayer({ debian }: ImageSources): Promise<LayerSpec> {
  const folders = ["etc/nginx/", "usr/share/", "usr/share/nginx/", "usr/share/nginx/html/"];
  const state = ["var/lib/", "var/lib/nginx/", "var/log/", "var/log/nginx/"];
  return {
    entries: [
      ...(await programEntries(debian, { nginx: "bin/nginx" })),
      ...[...folders, ...state].map((path): TarEntry => ({ path, type: "directory", mode: 0o755 })),
      { path: "etc/nginx/nginx.conf", content: NGINX_CONF },
      { path: "usr/share/nginx/html/index.html", content: NGINX_PAGE },
    ],
  };
}

const NGINX_CONF = `user nobody nogroup;
worker_processes 1;
error_log /dev/stderr notice;
pid /run/nginx.pid;
events { worker_connections 1024; }
http {
  default_type text/html;
  access_log /dev/stdout;
  server {
    listen 80;
    listen [::]:80;
    root /usr/share/nginx/html;
  }
}
`;

const NGINX_PAGE = `<!DOCTYPE html>
<html><head><title>Welcome to nginx!</title></head>
<body><h1>Welcome to nginx!</h1></body></html>
`;

function executable(path: string, file: string): TarEntry {
  return { path, content: readFileSync(file), mode: 0o755 };
}

import { readFileSync } from "node:fs";
import type { TarEntry } from "./tar-writer.ts";

/** Static programs from the system's package `busybox-static`; nothing is fetched. */
const BUSYBOX = "/bin/busybox";

/** A small root file system in which every applet of busybox can be called by its name. */
export function busyboxRoot(): readonly TarEntry[] {
  const applets = Bun.spawnSync([BUSYBOX, "--list"]).stdout.toString().split("\n");
  return [
    ...FOLDERS.map((path) => directory(path, 0o755)),
    directory("tmp", 0o1777),
    { path: "bin/busybox", content: readFileSync(BUSYBOX), mode: 0o755 },
    ...applets
      .filter((applet) => applet !== "" && applet !== "busybox")
      .map((applet) => link(`bin/${applet}`, "busybox")),
    link("usr/bin", "../bin"),
    link("sbin", "bin"),
    { path: "etc/passwd", content: PASSWD },
    { path: "etc/group", content: "root:x:0:\nnogroup:x:65534:\n" },
    { path: "www/index.html", content: "hello\n" },
  ];
}

const FOLDERS = ["bin", "data", "dev", "etc", "proc", "root", "run", "sys", "usr", "var", "www"];

const PASSWD = `root:x:0:0:root:/root:/bin/sh
nobody:x:65534:65534:nobody:/:/bin/false
`;

function directory(path: string, mode: number): TarEntry {
  return { path: `${path}/`, type: "directory", mode };
}

function link(path: string, linkname: string): TarEntry {
  return { path, type: "symlink", linkname, mode: 0o777 };
}

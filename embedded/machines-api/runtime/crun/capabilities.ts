/** Linux capabilities of a container. Pure. */
import { FksError } from "#core/errors.ts";
import type { ContainerSecurity } from "#core/fly/machine-protocol.ts";

/** By their number in the kernel. */
const ALL = [
  "CAP_CHOWN",
  "CAP_DAC_OVERRIDE",
  "CAP_DAC_READ_SEARCH",
  "CAP_FOWNER",
  "CAP_FSETID",
  "CAP_KILL",
  "CAP_SETGID",
  "CAP_SETUID",
  "CAP_SETPCAP",
  "CAP_LINUX_IMMUTABLE",
  "CAP_NET_BIND_SERVICE",
  "CAP_NET_BROADCAST",
  "CAP_NET_ADMIN",
  "CAP_NET_RAW",
  "CAP_IPC_LOCK",
  "CAP_IPC_OWNER",
  "CAP_SYS_MODULE",
  "CAP_SYS_RAWIO",
  "CAP_SYS_CHROOT",
  "CAP_SYS_PTRACE",
  "CAP_SYS_PACCT",
  "CAP_SYS_ADMIN",
  "CAP_SYS_BOOT",
  "CAP_SYS_NICE",
  "CAP_SYS_RESOURCE",
  "CAP_SYS_TIME",
  "CAP_SYS_TTY_CONFIG",
  "CAP_MKNOD",
  "CAP_LEASE",
  "CAP_AUDIT_WRITE",
  "CAP_AUDIT_CONTROL",
  "CAP_SETFCAP",
  "CAP_MAC_OVERRIDE",
  "CAP_MAC_ADMIN",
  "CAP_SYSLOG",
  "CAP_WAKE_ALARM",
  "CAP_BLOCK_SUSPEND",
  "CAP_AUDIT_READ",
  "CAP_PERFMON",
  "CAP_BPF",
  "CAP_CHECKPOINT_RESTORE",
];

/** What containerd and Docker give a container by default. */
const DEFAULTS = [
  "CAP_CHOWN",
  "CAP_DAC_OVERRIDE",
  "CAP_FSETID",
  "CAP_FOWNER",
  "CAP_MKNOD",
  "CAP_NET_RAW",
  "CAP_SETGID",
  "CAP_SETUID",
  "CAP_SETFCAP",
  "CAP_SETPCAP",
  "CAP_NET_BIND_SERVICE",
  "CAP_SYS_CHROOT",
  "CAP_KILL",
  "CAP_AUDIT_WRITE",
];

/**
 * As containerd reads `add` and `drop`: `ALL` counts before single names, and a dropped name wins.
 * `own` is what this host lets us give. Throws FksError `InvalidInput` for a name that nobody knows
 * or that cannot be given here.
 */
export function capabilitiesFor(
  security: ContainerSecurity | undefined,
  own: ReadonlySet<string>,
): readonly string[] {
  const all = ALL.filter((name) => own.has(name));
  if (security?.privileged === true) return all;
  const add = (security?.capabilities?.add ?? []).map(nameOf);
  const drop = (security?.capabilities?.drop ?? []).map(nameOf);
  for (const name of add) {
    if (name !== "CAP_ALL" && !own.has(name)) {
      throw new FksError("InvalidInput", `this host cannot give the capability ${name}`);
    }
  }
  const given = new Set(drop.includes("CAP_ALL") ? [] : add.includes("CAP_ALL") ? all : DEFAULTS);
  for (const name of add) if (name !== "CAP_ALL") given.add(name);
  for (const name of drop) given.delete(name);
  return ALL.filter((name) => given.has(name));
}

/** The names in a mask of `/proc/<pid>/status`, hexadecimal. */
export function capabilitiesIn(mask: string): ReadonlySet<string> {
  const bits = BigInt(`0x${mask === "" ? "0" : mask}`);
  return new Set(ALL.filter((_, number) => (bits >> BigInt(number)) & 1n));
}

/** With and without `CAP_`, in either case. */
function nameOf(text: string): string {
  const upper = text.toUpperCase();
  const name = upper.startsWith("CAP_") ? upper : `CAP_${upper}`;
  if (name === "CAP_ALL" || ALL.includes(name)) return name;
  throw new FksError("InvalidInput", `unknown capability ${JSON.stringify(text)}`);
}

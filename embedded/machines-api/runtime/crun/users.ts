/** Who a container's processes are, from the image's own `/etc/passwd` and `/etc/group`. Pure. */
import { FksError } from "#core/errors.ts";
import type { ContainerSecurity } from "#core/fly/machine-protocol.ts";

export interface ContainerUser {
  readonly uid: number;
  readonly gid: number;
  readonly additionalGids: readonly number[];
  readonly home: string;
}

interface PasswdEntry {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
  readonly home: string;
}

interface GroupEntry {
  readonly name: string;
  readonly gid: number;
  readonly members: readonly string[];
}

/** Who was asked for; see ContainerSpec. */
export interface WantedUser {
  /** `""` (root), `name`, `uid`, `name:group` or `uid:gid`. */
  readonly user: string;
  readonly groups: readonly number[];
  readonly security: ContainerSecurity | undefined;
}

/**
 * A number needs no entry. Without a group the user's own and every group that lists it count; with a
 * security context those that list it always do, unless they are strict.
 * Throws FksError `InvalidInput` for a name nobody has, and for root where that is forbidden.
 */
export function containerUserFor(wanted: WantedUser, passwd: string, group: string): ContainerUser {
  const { user, security } = wanted;
  refuseRoot(wanted);
  const { runAsUser, runAsGroup, supplementalGroups = [], strictGroups = false } = security ?? {};
  const asked = runAsUser === undefined ? user : String(runAsUser);
  const [who = "", ownGroup = ""] = asked === "" ? ["0"] : asked.split(":", 2);
  const groups = groupEntries(group);
  const entry = passwdEntries(passwd).find(({ name, uid }) => name === who || isNumber(who, uid));
  const uid =
    entry?.uid ?? numberOf(who, `unable to find user ${who}: no matching entry in passwd file`);
  const gid = runAsGroup ?? (ownGroup === "" ? (entry?.gid ?? 0) : gidOf(ownGroup, groups));

  const countsLists = security === undefined ? ownGroup === "" : !strictGroups;
  const listed = groups.filter(
    ({ members }) => countsLists && entry !== undefined && members.includes(entry.name),
  );
  const all = [...listed.map((other) => other.gid), ...supplementalGroups, ...wanted.groups];
  const home = entry?.home === undefined || entry.home === "" ? "/" : entry.home;
  return { uid, gid, additionalGids: [...new Set(all)].filter((other) => other !== gid), home };
}

/** In the kubelet's words. */
function refuseRoot({ user, security }: WantedUser): void {
  if (security?.runAsNonRoot !== true) return;
  if (security.runAsUser === 0) {
    throw new FksError("InvalidInput", "container's runAsUser breaks non-root policy");
  }
  if (security.runAsUser !== undefined) return;
  const [who = ""] = user.split(":", 1);
  if (who === "" || /^0+$/.test(who)) {
    throw new FksError("InvalidInput", "container has runAsNonRoot and image will run as root");
  }
  if (/^\d+$/.test(who)) return;
  const words = `container has runAsNonRoot and image has non-numeric user (${who}), cannot verify user is non-root`;
  throw new FksError("InvalidInput", words);
}

function passwdEntries(text: string): readonly PasswdEntry[] {
  return text.split("\n").flatMap((line) => {
    const [name = "", , uid = "", gid = "", , home = ""] = line.split(":");
    return /^\d+$/.test(uid) && /^\d+$/.test(gid)
      ? [{ name, uid: Number(uid), gid: Number(gid), home }]
      : [];
  });
}

function groupEntries(text: string): readonly GroupEntry[] {
  return text.split("\n").flatMap((line) => {
    const [name = "", , gid = "", members = ""] = line.trimEnd().split(":");
    return /^\d+$/.test(gid) ? [{ name, gid: Number(gid), members: members.split(",") }] : [];
  });
}

function gidOf(wanted: string, groups: readonly GroupEntry[]): number {
  const entry = groups.find(({ name }) => name === wanted);
  const missing = `unable to find group ${wanted}: no matching entry in group file`;
  return entry?.gid ?? numberOf(wanted, missing);
}

function isNumber(text: string, value: number): boolean {
  return /^\d+$/.test(text) && Number(text) === value;
}

function numberOf(text: string, otherwise: string): number {
  if (!/^\d{1,10}$/.test(text)) throw new FksError("InvalidInput", otherwise);
  return Number(text);
}

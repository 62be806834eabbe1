/** Who a container's processes are, from the image's own `/etc/passwd` and `/etc/group`. Pure. */
import { FksError } from "#core/errors.ts";

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

/**
 * `user` is `""` (root), `name`, `uid`, `name:group` or `uid:gid`. A number needs no entry. Without
 * a group the user's own and every group that lists it count.
 * Throws FksError `InvalidInput` for a name nobody has.
 */
export function containerUserFor(user: string, passwd: string, group: string): ContainerUser {
  const [who = "", ownGroup] = user === "" ? ["0"] : user.split(":", 2);
  const groups = groupEntries(group);
  const entry = passwdEntries(passwd).find(({ name, uid }) => name === who || isNumber(who, uid));
  const uid =
    entry?.uid ?? numberOf(who, `unable to find user ${who}: no matching entry in passwd file`);

  const gid =
    ownGroup === undefined || ownGroup === "" ? (entry?.gid ?? 0) : gidOf(ownGroup, groups);
  const listed =
    entry === undefined || (ownGroup !== undefined && ownGroup !== "")
      ? []
      : groups.filter(({ members }) => members.includes(entry.name)).map((other) => other.gid);
  const home = entry?.home === undefined || entry.home === "" ? "/" : entry.home;
  return { uid, gid, additionalGids: [...new Set(listed)].filter((other) => other !== gid), home };
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

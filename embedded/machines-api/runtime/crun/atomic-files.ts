import {
  chmod,
  chown,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  readlink,
  rename,
  rm,
  stat,
  symlink,
  writeFile,
} from "node:fs/promises";
import { dirname } from "node:path";
import { FksError } from "#core/errors.ts";
import type { VolumeSpec } from "../runtime.ts";

type VolumeFiles = VolumeSpec["files"];

const SET_GID = 0o2000;
const OWNER_AND_GROUP_READ = 0o440;
const FOLDER_MODE = 0o755;

const CURRENT = "..data";
const NEXT = "..data_tmp";

/**
 * Puts exactly these files into `folder` in one step, as the kubelet does: a new `..<time>` folder
 * beside the old one, then the link `..data` is replaced by rename. A reader that goes through
 * `..data`, or through the names beside it, sees the old set or the new one, never a mixture.
 * Files that are there already, byte for byte, change nothing. A folder that hands its group down
 * (`setgid`) lets that group read all of them.
 */
export async function replaceFiles(
  folder: string,
  given: VolumeFiles,
  nowMs: number,
): Promise<void> {
  for (const { path } of given) refuseEscape(path);
  await mkdir(folder, { recursive: true, mode: 0o755 });
  const isShared = ((await stat(folder)).mode & SET_GID) !== 0;
  const files = isShared ? given.map(readableByGroup) : given;
  const folderMode = isShared ? FOLDER_MODE | SET_GID : FOLDER_MODE;
  const previous = await linkTarget(`${folder}/${CURRENT}`);
  if (previous !== undefined && (await isSame(`${folder}/${previous}`, files))) return;

  const name = await writeSet(folder, files, folderMode, nowMs);
  await rm(`${folder}/${NEXT}`, { force: true });
  await symlink(name, `${folder}/${NEXT}`);
  await rename(`${folder}/${NEXT}`, `${folder}/${CURRENT}`);

  await showNames(folder, files);
  // Also what a crash between these steps left behind.
  for (const entry of await readdir(folder)) {
    if (!entry.startsWith("..") || entry === CURRENT || entry === name) continue;
    await rm(`${folder}/${entry}`, { recursive: true, force: true });
  }
}

/** What is made below a folder that hands its group down belongs to that group. */
async function writeSet(
  folder: string,
  files: VolumeFiles,
  folderMode: number,
  nowMs: number,
): Promise<string> {
  const time = new Date(nowMs).toISOString().replaceAll(/[-:T]/g, "_").replace("Z", "");
  const set = await mkdtemp(`${folder}/..${time}.`);
  await chmod(set, folderMode);
  for (const { path, mode, uid, content } of files) {
    const file = `${set}/${path}`;
    await mkdir(dirname(file), { recursive: true, mode: 0o755 });
    await writeFile(file, content);
    // Its group is the folder's.
    if (uid !== undefined) await chown(file, uid, (await stat(file)).gid);
    await chmod(file, mode);
  }
  return set.slice(folder.length + 1);
}

/** Top-level names are links through `..data`; names no longer wanted vanish last. */
async function showNames(folder: string, files: VolumeFiles): Promise<void> {
  const wanted = new Set(files.map(({ path }) => path.split("/")[0] ?? ""));
  const present = new Set(await readdir(folder));
  for (const name of wanted) {
    if (!present.has(name)) await symlink(`${CURRENT}/${name}`, `${folder}/${name}`);
  }
  for (const name of present) {
    if (!name.startsWith("..") && !wanted.has(name)) {
      await rm(`${folder}/${name}`, { recursive: true, force: true });
    }
  }
}

function readableByGroup(file: VolumeFiles[number]): VolumeFiles[number] {
  return { ...file, mode: file.mode | OWNER_AND_GROUP_READ };
}

async function isSame(set: string, files: VolumeFiles): Promise<boolean> {
  const there = await filesBelow(set);
  if (there.length !== files.length) return false;
  for (const { path, mode, uid = 0, content } of files) {
    const file = Bun.file(`${set}/${path}`);
    if (!(await file.exists())) return false;
    const stats = await file.stat();
    if ((stats.mode & 0o7777) !== mode || stats.uid !== uid || stats.size !== content.length)
      return false;
    if (!(await readFile(`${set}/${path}`)).equals(content)) return false;
  }
  return true;
}

async function filesBelow(folder: string): Promise<readonly string[]> {
  try {
    const entries = await readdir(folder, { recursive: true, withFileTypes: true });
    return entries.filter((entry) => entry.isFile()).map(({ name }) => name);
  } catch {
    return [];
  }
}

async function linkTarget(path: string): Promise<string | undefined> {
  try {
    return await readlink(path);
  } catch {
    return undefined;
  }
}

function refuseEscape(path: string): void {
  const parts = path.split("/");
  if (path !== "" && !path.startsWith("..") && parts.every((part) => part !== "" && part !== ".."))
    return;
  throw new FksError("InvalidInput", `a volume's file cannot be called ${JSON.stringify(path)}`);
}

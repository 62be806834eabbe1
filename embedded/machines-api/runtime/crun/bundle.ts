import { mkdirSync } from "node:fs";
import { chmod, mkdir, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { FksError } from "#core/errors.ts";
import type { ContainerSpec, StartedUser } from "../runtime.ts";
import type { AttemptFolder } from "./folders.ts";
import { checkProgram, userIn } from "./image-checks.ts";
import { insideRoot } from "./inside-root.ts";
import { mountOverlay } from "./libc.ts";
import { type HostFacts, type OciMachine, type OciPaths, ociConfigFor } from "./oci-config.ts";
import { readProfile } from "./seccomp-file.ts";
import { mountSources } from "./sub-paths.ts";

/** What a container is made of besides its own spec. */
export interface SharedPaths extends Omit<OciPaths, "root" | "cgroup" | "mounts" | "termination"> {
  /** By volume name. */
  readonly volumes: Readonly<Record<string, string>>;
}

interface BundleRequest {
  readonly container: ContainerSpec;
  readonly machine: OciMachine;
  readonly paths: SharedPaths;
  readonly cgroup: string;
  readonly facts: HostFacts;
  /** Where the host keeps seccomp profiles. */
  readonly profiles: string;
}

/**
 * Makes all that the OCI runtime wants to find: root file system, files in it, configuration. Gives
 * who the container will run as.
 * Throws FksError `InvalidInput` when the image has no such program or user.
 */
export async function makeBundle(
  folder: AttemptFolder,
  request: BundleRequest,
): Promise<StartedUser> {
  const { container, machine, cgroup, facts } = request;
  const { volumes, ...paths } = request.paths;
  const localProfile = await localProfileOf(container, request.profiles);
  const { upper, work, root, persist, bundle, termination } = folder;
  for (const path of [upper, work, root, persist, bundle]) mkdirSync(path, { recursive: true });
  const mounts = mountSources(container, volumes, folder.mounts);
  // Whoever the container runs as may write there.
  await writeFile(termination, "");
  await chmod(termination, 0o666);
  mountOverlay({ lower: container.imageRoot, upper, work, target: root });

  for (const { path, mode, content } of container.files) {
    await intoRoot(`open ${path}`, async () => {
      const file = insideRoot(root, path);
      await mkdir(dirname(file), { recursive: true });
      await writeFile(file, content);
      await chmod(file, mode);
    });
  }
  // Not every runtime makes the working directory.
  await intoRoot(`mkdir ${container.cwd}`, async () => {
    await mkdir(insideRoot(root, container.cwd), { recursive: true });
  });
  checkProgram(root, container);
  const user = userIn(root, container);
  const config = ociConfigFor({
    machine,
    container,
    user,
    paths: { ...paths, root, cgroup, mounts, termination },
    host: facts,
    localProfile,
  });
  await writeFile(folder.config, JSON.stringify(config), { mode: 0o600 });
  const { uid, gid, additionalGids } = user;
  return { uid, gid, groups: [gid, ...additionalGids] };
}

async function localProfileOf({ security }: ContainerSpec, profiles: string) {
  const { seccomp, privileged } = security ?? {};
  // Whoever may do everything is not filtered, as elsewhere.
  if (typeof seccomp !== "object" || privileged === true) return undefined;
  return readProfile(profiles, seccomp.localhost);
}

/** What an image's own tree forbids, in the words of other runtimes. */
const WRONG_PATHS: ReadonlyMap<unknown, string> = new Map([
  ["ENOTDIR", "not a directory"],
  ["EEXIST", "not a directory"],
  ["EISDIR", "is a directory"],
  ["ENAMETOOLONG", "file name too long"],
]);

/** What an image's own tree forbids is the caller's mistake; anything else is the host's state. */
async function intoRoot(what: string, write: () => Promise<void>): Promise<void> {
  try {
    await write();
  } catch (error) {
    if (!(error instanceof Error) || !("code" in error)) throw error;
    if (error instanceof FksError) throw error;
    const reason = WRONG_PATHS.get(error.code);
    if (reason === undefined) throw new FksError("Unavailable", error.message, { cause: error });
    throw new FksError("InvalidInput", `${what}: ${reason}`, { cause: error });
  }
}

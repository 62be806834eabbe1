/** A network namespace of its own: nothing that runs in it can touch the host's network. */
const OWN_NETWORK = ["unshare", "--net", "--", "sh", "-c", 'ip link set lo up; exec "$@"', "sh"];

/** The command that runs `command` in a new network that ends with it. */
export function inOwnNetwork(command: readonly string[]): string[] {
  return [...OWN_NETWORK, ...command];
}

/** This environment, with host programs found also where PATH is a short one. */
export function hostEnvironment(): Record<string, string | undefined> {
  return { ...process.env, PATH: `${process.env["PATH"]}:/usr/sbin:/sbin` };
}

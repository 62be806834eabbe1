import { FksError } from "#core/errors.ts";

/**
 * Puts addresses of our own on the loopback interface, where nothing else makes them.
 *
 * Those that another interface has are left alone, also by the function returned, which takes
 * the others away again. Throws `Forbidden` with what root has to do when they are missing and we
 * may not add them, `Unavailable` with what `ip` said.
 */
export async function holdAddresses(addresses: readonly string[]): Promise<() => Promise<void>> {
  const holders = await Promise.all(addresses.map(interfaceOf));
  const missing = addresses.filter((_, at) => holders[at] === undefined);
  // On loopback it can only be what a killed predecessor left, or root for whoever is not.
  const left = isRoot() ? addresses.filter((_, at) => holders[at] === "lo") : [];
  const held: string[] = [];
  async function letGo(): Promise<void> {
    for (const address of held) await ip("address", "del", `${address}/128`, "dev", "lo");
  }
  try {
    for (const address of missing) {
      await ip("address", "add", `${address}/128`, "dev", "lo");
      held.push(address);
    }
  } catch (error) {
    await letGo();
    throw !isRoot() && FksError.is(error, "Unavailable") ? forbidden(missing, error) : error;
  }
  held.push(...left);
  return letGo;
}

function isRoot(): boolean {
  return process.getuid?.() === 0;
}

function forbidden(missing: readonly string[], cause: unknown): FksError {
  const commands = missing.map((address) => `ip -6 address add ${address}/128 dev lo`);
  const sentence = `addresses of this cluster are missing on this host, and only root may add them: ${commands.join("; ")}`;
  return new FksError("Forbidden", sentence, { cause });
}

/** One line of `ip -o`: index, interface, family, address. */
async function interfaceOf(address: string): Promise<string | undefined> {
  const line = await ip("-o", "address", "show", "to", `${address}/128`);
  return line.split(/\s+/)[1];
}

async function ip(...args: readonly string[]): Promise<string> {
  const program = Bun.which("ip", { PATH: `${process.env["PATH"] ?? ""}:/usr/sbin:/sbin` });
  if (program === null) {
    throw new FksError("Unsupported", "ip is missing: install the package iproute2");
  }
  const child = Bun.spawn([program, "-6", ...args], {
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  const [output, errors, exitCode] = await Promise.all([
    child.stdout.text(),
    child.stderr.text(),
    child.exited,
  ]);
  if (exitCode === 0) return output.trim();
  throw new FksError("Unavailable", `ip ${args.join(" ")} failed: ${errors.trim()}`);
}

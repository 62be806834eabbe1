import { FksError } from "#core/errors.ts";

/**
 * Puts addresses of our own on the loopback interface, where nothing else makes them.
 *
 * Those that another interface has are left alone, also by the function returned, which takes
 * the others away again. Throws `Unavailable` with what `ip` said.
 */
export async function holdAddresses(addresses: readonly string[]): Promise<() => Promise<void>> {
  const held: string[] = [];
  for (const address of addresses) {
    const holder = await interfaceOf(address);
    if (holder === undefined) await ip("address", "add", `${address}/128`, "dev", "lo");
    // On loopback it can only be what a killed predecessor left.
    if (holder === undefined || holder === "lo") held.push(address);
  }
  return async () => {
    for (const address of held) await ip("address", "del", `${address}/128`, "dev", "lo");
  };
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

/** Holds an address in the network namespace it is started in, twice, and tells what `lo` has. */
import { holdAddresses } from "#adapters/host/addresses.ts";

const shown = (): string => Bun.spawnSync(["ip", "-6", "-o", "addr", "show"]).stdout.toString();
const address = "fdaa:1:2:ffff::1";
const hasIt = (): boolean => shown().includes(address);

const before = hasIt();
// Like a predecessor that was killed: what it held is still there.
await holdAddresses([address]);
const letGo = await holdAddresses([address]);
const held = hasIt();
await letGo();
process.stdout.write(JSON.stringify({ before, held, after: hasIt() }));

import type { EngineName } from "#embedded/control-plane/engine.ts";
import { proofOf } from "#embedded/control-plane/k3s/proof.ts";

/** How far a control plane has been proven, to be said after its name. Pure. */
export function proofFor({
  engine,
  version,
}: {
  readonly engine: EngineName;
  readonly version: string;
}): string {
  return engine === "k3s" ? proofOf(version) : "proven by every test of fks-node";
}

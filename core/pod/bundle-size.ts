import type { Bundle } from "../fly/machine-protocol.ts";

const MIB = 2 ** 20;

/** What files and variables of a Pod may have together; on their way three bytes take four. */
const MAX_BYTES = 30 * MIB;

/**
 * The bundle, or where that is more than a Machine takes in, one by which each container says why it
 * is not started. Pure.
 */
export function takenIn(bundle: Bundle): Bundle {
  const bytes = sizeOf(bundle);
  if (bytes <= MAX_BYTES) return bundle;
  const size = Math.ceil(bytes / MIB);
  const message = `the files and variables of the Pod have ${size} MiB together; a Machine takes in ${MAX_BYTES / MIB} MiB`;
  const refused = { reason: "CreateContainerConfigError", message };
  const names = Object.keys(bundle.containers);
  return {
    ...bundle,
    volumes: {},
    containers: Object.fromEntries(names.map((name) => [name, { refused }])),
  };
}

function sizeOf({ volumes, containers }: Bundle): number {
  const files = Object.values(volumes).flat();
  const variables = Object.values(containers).flatMap(({ env = [] }) => env);
  return (
    files.reduce((sum, { path, content }) => sum + path.length + (content.length * 3) / 4, 0) +
    variables.reduce((sum, { name, value }) => sum + name.length + value.length, 0)
  );
}

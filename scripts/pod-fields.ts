/** Writes docs/pod-fields.md from the table that decides about every Pod field. */
import type { PodField } from "#core/pod/fields/field.ts";
import { FIELDS } from "#core/pod/fields/table.ts";
import { writeOrCheck } from "./generated.ts";

const HEAD = `# What becomes of each Pod field

Made from \`core/pod/fields/\` by \`make golden\`; the same table decides at run time.

- **carried**: the Machine does what the Pod says.
- **approximated**: the Machine does something close; an Event \`FieldsApproximated\` names the field.
- **refused**: the Pod stays Pending with reason \`CreateContainerConfigError\`, and one Event
  \`FieldsRefused\` names every such field. \`fks-node translate -f pod.yaml\` tells it beforehand.

The column *embedded* is for Machines with the Machine protocol, *fly* for the public Machines API alone.
Where a field has values in mind, all its other values are carried. A field that is not listed is refused by its
name, unless it is empty or \`false\`. What holds for \`spec.containers[]\` holds for \`spec.initContainers[]\` too.

Beside the table: a Machine's size is the sum of the containers' limits (requests where those are larger), sidecars
included, or what an init container wants beside the sidecars before it where that is more. Where \`spec.resources\` has
limits or requests, these count alone. It is rounded up to a size Fly sells; 256 MB when nothing is asked for, named by
an Event; refused when no size is large enough.
`;

const SECTIONS: readonly (readonly [title: string, prefix: string])[] = [
  ["The Pod", "spec."],
  ["Containers", "spec.containers[]."],
  ["Volumes", "spec.volumes[]."],
];

function sectionOf({ path }: PodField): string {
  const prefixes = SECTIONS.map(([, prefix]) => prefix);
  return prefixes.findLast((prefix) => path.startsWith(prefix)) ?? "";
}

function line({ path, verdict, sentence, values }: PodField): string {
  const field = values === undefined ? `\`${path}\`` : `\`${path}\` when ${values.text}`;
  const here = sentence["machine-protocol"];
  const text = here === sentence.fly ? here : `${here} On Fly: ${sentence.fly}`;
  return `| ${field} | ${verdict["machine-protocol"]} | ${verdict.fly} | ${text} |`;
}

function section([title, prefix]: readonly [string, string]): string {
  const rows = FIELDS.filter((field) => sectionOf(field) === prefix).map(line);
  const head = "| Field | embedded | fly | |\n| --- | --- | --- | --- |";
  return `## ${title}\n\n${head}\n${rows.join("\n")}\n`;
}

const text = [HEAD, ...SECTIONS.map(section)].join("\n");
process.exit(await writeOrCheck([{ path: "docs/pod-fields.md", text }]));

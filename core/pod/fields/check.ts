import type { Pod } from "../../kube/pod.ts";
import type { CapabilitySet, PodField, Verdict } from "./field.ts";
import { FIELDS } from "./table.ts";

/** One field of one Pod that is not carried as it stands. */
export interface Finding {
  /** With indices: `spec.containers[0].tty`. */
  readonly field: string;
  readonly sentence: string;
}

export interface Findings {
  readonly refused: readonly Finding[];
  readonly approximated: readonly Finding[];
}

const UNKNOWN = "This version of fks-node does not know the field.";

const ROW = new Map(FIELDS.map((field) => [field.path, field]));
const GROUPS = new Set(FIELDS.flatMap(({ path }) => parentsOf(path)));

/** Every field of `pod` that cannot be carried, or not exactly. Total: unknown fields are refused. */
export function findingsFor(pod: Pod, capabilities: CapabilitySet): Findings {
  const found: Record<Verdict, Finding[]> = { carried: [], approximated: [], refused: [] };
  visit({ path: "spec", parent: "", field: "spec", value: pod.spec });
  return { refused: found.refused, approximated: found.approximated };

  function visit(node: Node): void {
    const row = rowFor(node);
    if (row !== undefined) {
      if (row.values?.has(node.value, pod) === false) return;
      found[row.verdict[capabilities]].push({
        field: node.field,
        sentence: row.sentence[capabilities],
      });
    } else if (!GROUPS.has(generalPath(node.path))) {
      if (!isEmpty(node.value)) found.refused.push({ field: node.field, sentence: UNKNOWN });
    } else {
      for (const child of childrenOf(node)) visit(child);
    }
  }
}

interface Node {
  /** As in the table. */
  readonly path: string;
  readonly parent: string;
  /** As people read it. */
  readonly field: string;
  readonly value: unknown;
}

function childrenOf({ path, field, value }: Node): readonly Node[] {
  if (Array.isArray(value)) {
    return value.map((item: unknown, index) => ({
      path: `${path}[]`,
      parent: path,
      field: `${field}[${index}]`,
      value: item,
    }));
  }
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value)
    .filter(([, child]) => child !== undefined && child !== null)
    .map(([name, child]: readonly [string, unknown]) => ({
      path: `${path}.${name}`,
      parent: path,
      field: `${field}.${name}`,
      value: child,
    }));
}

/** A name may have dots in it: `example.com/gpu`. */
function rowFor({ path, parent }: Node): PodField | undefined {
  return ROW.get(path) ?? ROW.get(generalPath(path)) ?? ROW.get(`${generalPath(parent)}.*`);
}

/** What holds for containers holds for init containers too, where the table has nothing else. */
function generalPath(path: string): string {
  return path.replace(/^spec\.initContainers(?=\[\]|$)/, "spec.containers");
}

/** What the API server leaves behind for a field nobody set. */
function isEmpty(value: unknown): boolean {
  if (value === false || value === "" || value === null) return true;
  return typeof value === "object" && Object.keys(value).length === 0;
}

/** "spec.a[].b" has the parents "spec", "spec.a" and "spec.a[]". */
function parentsOf(path: string): readonly string[] {
  const parents: string[] = [];
  for (const { index, 0: separator } of path.matchAll(/\[\]|\./g)) {
    parents.push(path.slice(0, index));
    if (separator === "[]") parents.push(path.slice(0, index + 2));
  }
  return parents;
}

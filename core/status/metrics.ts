/** The Prometheus text of one part. */
interface PartMetrics {
  readonly part: string;
  readonly text: string;
}

interface Family {
  /** `# HELP …` and `# TYPE …`, as the first part wrote them. */
  readonly comments: string[];
  readonly samples: string[];
}

const COMMENT = /^# (HELP|TYPE) ([a-zA-Z_:][\w:]*)/;
const SAMPLE = /^([a-zA-Z_:][\w:]*)(\{(.*)\})? (.+)$/;
/** Endings of the series that belong to one histogram or summary. */
const SERIES_OF_FAMILY = /_(bucket|sum|count)$/;

/**
 * Several parts' metrics as one text: each sample gets the label `part`, each family stands once.
 * Total: lines that are neither comment nor sample are left out.
 */
export function mergeMetrics(sources: readonly PartMetrics[]): string {
  const families = new Map<string, Family>();
  for (const { part, text } of sources) {
    for (const line of text.split("\n")) add(families, part, line);
  }
  return [...families.values()]
    .filter(({ samples }) => samples.length > 0)
    .flatMap(({ comments, samples }) => [...comments, ...samples])
    .map((line) => `${line}\n`)
    .join("");
}

function add(families: Map<string, Family>, part: string, line: string): void {
  const comment = COMMENT.exec(line);
  if (comment !== null) {
    const { comments } = familyOf(families, comment[2] ?? "");
    const isNew = !comments.some((known) => known.startsWith(comment[0]));
    if (isNew) comments.push(line);
    return;
  }
  const [, name, , labels = "", value] = SAMPLE.exec(line) ?? [];
  if (name === undefined || value === undefined) return;
  const label = `part="${part}"`;
  const all = labels === "" ? label : `${label},${labels}`;
  familyOf(families, familyNameFor(families, name)).samples.push(`${name}{${all}} ${value}`);
}

function familyNameFor(families: Map<string, Family>, name: string): string {
  const base = name.replace(SERIES_OF_FAMILY, "");
  return !families.has(name) && families.has(base) ? base : name;
}

function familyOf(families: Map<string, Family>, name: string): Family {
  const known = families.get(name) ?? { comments: [], samples: [] };
  families.set(name, known);
  return known;
}

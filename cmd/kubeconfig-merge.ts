import { Document, isMap, isSeq, parseDocument, type YAMLMap, YAMLSeq } from "yaml";
import { FksError } from "#core/errors.ts";
import { yamlMistake } from "./yaml-mistake.ts";

const KINDS = ["clusters", "users", "contexts"] as const;
type Kind = (typeof KINDS)[number];

export interface KubeconfigFile {
  readonly path: string;
  /** Undefined when the file does not exist yet. */
  readonly text: string | undefined;
}

interface ChangedFile {
  readonly path: string;
  readonly text: string;
}

interface Merge {
  /** The user's kubeconfig files, in order of precedence. */
  readonly files: readonly KubeconfigFile[];
  /** The one of them that takes new entries. */
  readonly newEntriesIn: string;
  /** A whole kubeconfig with one cluster, user and context. */
  readonly addition: string;
  /** Also when another context is the current one. */
  readonly switchContext: boolean;
}

/**
 * Adds or replaces a cluster, its user and its context, as kubectl would: each in the file that
 * already holds it, else in the one for new entries. Other entries and comments stay as they are.
 *
 * The current context changes only when asked for, or when none is set. Returns the files that
 * differ. Throws `InvalidInput` for a file that is no kubeconfig. Pure.
 */
export function mergeKubeconfig(merge: Merge): readonly ChangedFile[] {
  const documents = documentsOf(merge.files);
  const fallback = documents.get(merge.newEntriesIn) ?? emptyKubeconfig();
  documents.set(merge.newEntriesIn, fallback);
  const addition = parseDocument(merge.addition);

  for (const kind of KINDS) {
    for (const entry of entriesOf(addition, kind)) {
      const name = nameOf(entry);
      const holder = [...documents.values()].find((document) => indexOf(document, kind, name) >= 0);
      put(holder ?? fallback, kind, entry);
    }
  }
  const current = [...documents.values()].map(currentContextOf).find((name) => name !== "");
  if (merge.switchContext || current === undefined) {
    fallback.set("current-context", currentContextOf(addition));
  }
  return changedOf(merge.files, documents);
}

/** Takes every entry of that name away; a current context of that name is unset. Pure. */
export function removeFromKubeconfig(
  files: readonly KubeconfigFile[],
  name: string,
): readonly ChangedFile[] {
  const documents = documentsOf(files);
  for (const document of documents.values()) {
    for (const kind of KINDS) {
      const index = indexOf(document, kind, name);
      if (index >= 0) document.deleteIn([kind, index]);
    }
    if (currentContextOf(document) === name) document.set("current-context", "");
  }
  return changedOf(files, documents);
}

function documentsOf(files: readonly KubeconfigFile[]): Map<string, Document> {
  return new Map(
    files.flatMap(({ path, text }) =>
      text === undefined ? [] : [[path, kubeconfigIn(path, text)]],
    ),
  );
}

function kubeconfigIn(path: string, text: string): Document {
  if (text.trim() === "") return emptyKubeconfig();
  const document = parseDocument(text);
  const [mistake] = document.errors;
  if (mistake !== undefined) {
    const line = text.slice(0, mistake.pos[0]).split("\n").length;
    throw new FksError("InvalidInput", `${path}:${line}: ${yamlMistake(mistake)}`);
  }
  if (!isMap(document.contents)) throw new FksError("InvalidInput", `${path} is no kubeconfig`);
  return document;
}

function emptyKubeconfig(): Document {
  return new Document({ apiVersion: "v1", kind: "Config" });
}

function changedOf(
  files: readonly KubeconfigFile[],
  documents: ReadonlyMap<string, Document>,
): readonly ChangedFile[] {
  return [...documents].flatMap(([path, document]) => {
    const before = files.find((file) => file.path === path)?.text;
    const isSame =
      before !== undefined &&
      JSON.stringify(parseDocument(before).toJS()) === JSON.stringify(document.toJS());
    return isSame ? [] : [{ path, text: document.toString({ lineWidth: 0 }) }];
  });
}

function put(document: Document, kind: Kind, entry: YAMLMap): void {
  const index = indexOf(document, kind, nameOf(entry));
  const list = document.get(kind);
  if (index >= 0) document.setIn([kind, index], entry);
  else if (isSeq(list)) list.add(entry);
  else {
    const fresh = new YAMLSeq();
    fresh.add(entry);
    document.set(kind, fresh);
  }
}

function entriesOf(document: Document, kind: Kind): YAMLMap[] {
  const list = document.get(kind);
  return isSeq(list) ? list.items.filter((item): item is YAMLMap => isMap(item)) : [];
}

function indexOf(document: Document, kind: Kind, name: string): number {
  const list = document.get(kind);
  return isSeq(list)
    ? list.items.findIndex((item) => isMap(item) && item.get("name") === name)
    : -1;
}

function nameOf(entry: YAMLMap): string {
  return String(entry.get("name"));
}

function currentContextOf(document: Document): string {
  const name = document.get("current-context");
  return typeof name === "string" ? name : "";
}

import { type Document, LineCounter, parseAllDocuments } from "yaml";
import { z } from "zod";
import { FksError } from "#core/errors.ts";
import type { Pod } from "#core/kube/pod.ts";
import { yamlMistake } from "./yaml-mistake.ts";

/** A Pod that a file holds, by itself or as the template of something that makes Pods. */
interface FoundPod {
  /** `Deployment default/web`, as people say it. */
  readonly owner: string;
  readonly pod: Pod;
}

interface PodsInFile {
  readonly pods: readonly FoundPod[];
  /** Objects that make no Pods, as people say them. */
  readonly others: readonly string[];
}

/** Stands for the UID the API server will give. */
const NO_UID = "00000000-0000-0000-0000-000000000000";

const metadataSchema = z.looseObject({
  name: z.string().exactOptional(),
  generateName: z.string().exactOptional(),
  namespace: z.string().exactOptional(),
});

const objectSchema = z.looseObject({
  kind: z.string("expected a kind, such as Pod"),
  metadata: metadataSchema.default({}),
  spec: z.looseObject({}).default({}),
  items: z.array(z.unknown()).default([]),
});

type KubeObject = z.infer<typeof objectSchema>;

const templateSchema = z.looseObject({
  metadata: metadataSchema.default({}),
  spec: z.looseObject({}),
});

const podSpec = z.custom<Pod["spec"]>(
  (value) =>
    z
      .object({
        containers: z.array(z.object({ name: z.string(), image: z.string() })).min(1),
      })
      .safeParse(value).success,
);

/** Where each kind keeps the template of its Pods. */
const TEMPLATE_PATH: Readonly<Record<string, readonly string[]>> = {
  Deployment: ["template"],
  ReplicaSet: ["template"],
  ReplicationController: ["template"],
  StatefulSet: ["template"],
  DaemonSet: ["template"],
  Job: ["template"],
  CronJob: ["jobTemplate", "spec", "template"],
};

/**
 * The Pods of a text of YAML or JSON documents; lists are opened.
 *
 * `file` is for messages. Throws `InvalidInput` with file and line of a mistake, and when there is
 * no Pod at all.
 */
export function podsIn(text: string, file: string): PodsInFile {
  const lines = new LineCounter();
  const pods: FoundPod[] = [];
  const others: string[] = [];
  for (const document of parseAllDocuments(text, { lineCounter: lines })) {
    const [mistake] = document.errors;
    if (mistake !== undefined) {
      throw new FksError("InvalidInput", `${at(mistake.pos[0])}: ${yamlMistake(mistake)}`);
    }
    const value = plain(document);
    if (value !== null && value !== undefined)
      take(value, at(document.contents?.range?.[0] ?? document.range[0]));
  }
  if (pods.length > 0) return { pods, others };
  const only = others.length === 0 ? "" : `, only ${others.join(", ")}`;
  throw new FksError("InvalidInput", `${file} holds nothing that makes Pods${only}`);

  function plain(document: Document.Parsed): unknown {
    try {
      return document.toJS();
    } catch (cause) {
      // An alias without its anchor, or a document that would explode.
      const sentence = `${at(document.range[0])}: ${yamlMistake(cause)}`;
      throw new FksError("InvalidInput", sentence, { cause });
    }
  }

  function at(offset: number): string {
    return `${file}:${Math.max(1, lines.linePos(offset).line)}`;
  }

  function take(value: unknown, where: string): void {
    const object = parsed(objectSchema, value, where);
    if (object.kind === "List" || object.kind.endsWith("List")) {
      for (const item of object.items) take(item, where);
      return;
    }
    const found = foundPod(object, where);
    if (found === undefined) others.push(titleOf(object));
    else pods.push(found);
  }
}

function foundPod(object: KubeObject, where: string): FoundPod | undefined {
  const owner = titleOf(object);
  if (object.kind === "Pod") return { owner, pod: podOf(object, object, where) };
  const path = TEMPLATE_PATH[object.kind];
  if (path === undefined) return undefined;
  const inner = path.reduce<unknown>((value, key) => memberOf(value, key), object.spec);
  const template = parsed(templateSchema, inner, `${where}: spec.${path.join(".")}`);
  return { owner, pod: podOf(template, object, where) };
}

function podOf(template: z.infer<typeof templateSchema>, owner: KubeObject, where: string): Pod {
  const spec = podSpec.safeParse(template.spec);
  if (!spec.success) {
    throw new FksError(
      "InvalidInput",
      `${where}: ${titleOf(owner)}: expected containers, each with a name and an image`,
    );
  }
  return {
    metadata: {
      ...template.metadata,
      name: nameOf(owner),
      namespace: owner.metadata.namespace ?? "default",
      uid: NO_UID,
    },
    spec: spec.data,
  };
}

function memberOf(value: unknown, key: string): unknown {
  return typeof value === "object" && value !== null ? Reflect.get(value, key) : undefined;
}

function titleOf(object: KubeObject): string {
  return `${object.kind} ${object.metadata.namespace ?? "default"}/${nameOf(object)}`;
}

function nameOf({ metadata }: KubeObject): string {
  return metadata.name ?? `${metadata.generateName ?? "unnamed-"}00000`;
}

function parsed<T>(schema: z.ZodType<T>, value: unknown, where: string): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  const path = issue === undefined || issue.path.length === 0 ? "" : `${issue.path.join(".")}: `;
  const sentence = issue?.message.replace(/^Invalid input: /, "") ?? "not understood";
  throw new FksError("InvalidInput", `${where}: ${path}${sentence}`);
}

import { readFile } from "node:fs/promises";
import { isNode, LineCounter, parseDocument } from "yaml";
import { z } from "zod";
import { fileError } from "#adapters/host/files.ts";
import { FksError } from "#core/errors.ts";
import { yamlMistake } from "./yaml-mistake.ts";

export interface ConfigFile {
  readonly values: Readonly<Record<string, unknown>>;
  /** File and line of a field, or of the nearest thing around it that can be found. */
  whereIs(path: readonly string[]): string;
}

/** Reads a YAML file of settings. Throws `InvalidInput` with the line of a mistake, `NotFound`. */
export async function readConfigFile(path: string): Promise<ConfigFile> {
  const text = await readFile(path, "utf8").catch((error: unknown) => {
    throw fileError(path, error);
  });
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines });
  const [mistake] = document.errors;
  if (mistake !== undefined) {
    const { line } = lines.linePos(mistake.pos[0]);
    throw new FksError("InvalidInput", `${path}:${line}: ${yamlMistake(mistake)}`);
  }
  let plain: unknown;
  try {
    plain = document.toJS();
  } catch (cause) {
    // An alias without its anchor, or a document that would explode.
    throw new FksError("InvalidInput", `${path}: ${yamlMistake(cause)}`, { cause });
  }
  const values = z.record(z.string(), z.unknown()).safeParse(plain ?? {});
  if (!values.success) {
    throw new FksError("InvalidInput", `${path}:1: expected settings such as "name: local"`);
  }
  return {
    values: values.data,
    whereIs(field) {
      const node = field
        .map((_, index) => document.getIn(field.slice(0, field.length - index), true))
        .find((found) => isNode(found));
      if (!isNode(node) || node.range === undefined || node.range === null) return path;
      return `${path}:${lines.linePos(node.range[0]).line}`;
    },
  };
}

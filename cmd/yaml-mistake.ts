import { YAMLParseError } from "yaml";
import { messageOf } from "#core/errors.ts";

/** A mistake can repeat what it stumbled over, and that can be a whole file. */
const SENTENCE_MAX_CHARS = 160;

/** What is wrong with a YAML text: one short sentence, without the place and a picture of it. */
export function yamlMistake(error: unknown): string {
  if (error instanceof YAMLParseError && error.code === "MULTIPLE_DOCS")
    return "expected one document";
  const sentence = messageOf(error).replace(/ at line \d+, column \d+:[\s\S]*$/, "");
  return sentence.length > SENTENCE_MAX_CHARS ? "this is not YAML" : sentence;
}

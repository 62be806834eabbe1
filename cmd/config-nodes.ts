import { z } from "zod";
import { annotationMistake, labelMistake, taintFrom } from "#core/node/given.ts";
import { listIn, pairsIn } from "./config-pairs.ts";

/** The environment of our children carries them. */
const TEXT_MAX = 64 * 1024;
const PAIRS = "expected names and values such as tier=front";

const text = z.union([z.string(), z.number().transform(String), z.boolean().transform(String)], {
  error: "expected a value, as in tier=front",
});

/** Labels or annotations; `mistakeIn` says what is wrong with one of them. */
function pairs(mistakeIn: (key: string, value: string) => string | undefined) {
  const map = z.record(z.string(), text, { error: PAIRS }).superRefine((found, context) => {
    for (const [key, value] of Object.entries(found)) {
      const mistake = mistakeIn(key, value);
      if (mistake !== undefined) context.addIssue({ code: "custom", message: mistake });
    }
    if (JSON.stringify(found).length > TEXT_MAX) {
      context.addIssue({ code: "custom", message: "expected at most 64 KiB in all" });
    }
  });
  return z.preprocess(pairsIn, map.readonly()).default({});
}

export const nodeLabels = pairs(labelMistake);
export const nodeAnnotations = pairs(annotationMistake);

const TAINTS = "expected a list such as dedicated=gpu:NoSchedule";

export const registerWithTaints = z
  .preprocess(
    listIn,
    z
      .array(
        z.string(TAINTS).transform((item, context) => {
          const taint = taintFrom(item);
          if (typeof taint !== "string") return taint;
          context.addIssue({ code: "custom", message: taint });
          return z.NEVER;
        }),
        { error: TAINTS },
      )
      .refine(
        (taints) =>
          new Set(taints.map(({ key, effect }) => `${key}:${effect}`)).size === taints.length,
        "expected each name once with the same effect",
      )
      .readonly(),
  )
  .default([]);

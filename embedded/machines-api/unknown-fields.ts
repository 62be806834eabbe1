import * as z from "zod";

/** Paths of the fields in `value` that `schema` does not name, such as `config.containers[].probe`. */
export function unknownFields(value: unknown, schema: z.ZodType, path = ""): readonly string[] {
  const inner = unwrapped(schema);
  if (inner instanceof z.ZodArray && Array.isArray(value)) {
    const { element } = inner;
    if (!(element instanceof z.ZodType)) return [];
    return value.flatMap((item) => unknownFields(item, element, `${path}[]`));
  }
  if (!isObject(value)) return [];
  if (inner instanceof z.ZodRecord) {
    const { valueType } = inner;
    if (!(valueType instanceof z.ZodType)) return [];
    return Object.values(value).flatMap((item) => unknownFields(item, valueType, `${path}.*`));
  }
  if (!(inner instanceof z.ZodObject)) return [];
  const shape: Readonly<Record<string, unknown>> = inner.shape;
  return Object.entries(value).flatMap(([name, item]) => {
    const here = path === "" ? name : `${path}.${name}`;
    const known = shape[name];
    if (!(known instanceof z.ZodType)) return [here];
    return unknownFields(item, known, here);
  });
}

function unwrapped(schema: z.ZodType): z.ZodType {
  let inner: unknown = schema;
  while (
    inner instanceof z.ZodOptional ||
    inner instanceof z.ZodExactOptional ||
    inner instanceof z.ZodDefault ||
    inner instanceof z.ZodNullable
  ) {
    inner = inner.unwrap();
  }
  return inner instanceof z.ZodType ? inner : schema;
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

import { CONTAINER_FIELDS } from "./container-fields.ts";
import type { PodField } from "./field.ts";
import { POD_FIELDS } from "./pod-fields.ts";
import { VOLUME_FIELDS } from "./volume-fields.ts";

/** Every field of a Pod's spec. Refusals, Events, `translate` and docs/pod-fields.md follow it. */
export const FIELDS: readonly PodField[] = [
  ...POD_FIELDS,
  ...below("spec.containers[]", CONTAINER_FIELDS),
  ...below("spec.volumes[]", VOLUME_FIELDS),
];

function below(parent: string, fields: readonly PodField[]): readonly PodField[] {
  return fields.map((field) => ({ ...field, path: `${parent}.${field.path}` }));
}

import { expect, test } from "bun:test";
import { createBody } from "./schema.ts";
import { unknownFields } from "./unknown-fields.ts";

test("fields nobody knows are named by their path, known ones are not", () => {
  const body = {
    name: "web",
    colour: "red",
    config: {
      image: "nginx",
      services: [{ anything: 1 }],
      env: { ANY: "name" },
      guest: { cpus: 1, wheels: 4 },
      containers: [{ name: "a", image: "b", probe: {} }],
    },
  };

  expect(unknownFields(body, createBody)).toEqual([
    "colour",
    "config.guest.wheels",
    "config.containers[].probe",
  ]);
});

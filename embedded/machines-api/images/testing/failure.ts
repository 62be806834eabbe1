import { FksError } from "#core/errors.ts";

/** How `work` failed, as `code: message`; it must fail, and with an expected error. */
export async function failureOf(work: Promise<unknown>): Promise<string> {
  try {
    await work;
  } catch (error) {
    if (error instanceof FksError) return `${error.code}: ${error.message}`;
    throw error;
  }
  throw new Error("it did not fail");
}

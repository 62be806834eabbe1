import { afterAll, beforeAll, describe, test } from "bun:test";
import { type ContractWorld, clear } from "./world.ts";

const TIMEOUT_MS = 60_000;

/** How a contract is run on one implementation. */
export interface ContractOptions {
  /** Why this implementation cannot be tried here. */
  readonly skip?: string | undefined;
}

/** How much of it runs: real processes, or a few pretended commands. */
export interface ProgramOptions extends ContractOptions {
  readonly programs: "real" | "toy";
}

/** Runs `tests` on one world that is opened for all of them, and leaves nothing behind. */
export function suite<W extends ContractWorld>(
  title: string,
  open: () => Promise<W>,
  options: ContractOptions,
  tests: (given: () => W) => void,
): void {
  if (options.skip !== undefined) {
    test.skip(`${title}: ${options.skip}`, () => {});
    return;
  }
  describe(title, () => {
    let world: W;
    beforeAll(async () => {
      world = await open();
    }, TIMEOUT_MS);
    afterAll(async () => {
      await clear(world);
      await world.close();
    }, TIMEOUT_MS);
    tests(() => world);
  });
}

/** A test that may wait for real Machines. */
export function it(what: string, body: () => Promise<void>): void {
  test(what, body, TIMEOUT_MS);
}

import { inspect } from "node:util";

const REDACTED = "[redacted]";

/** A value that no log, report or error shows by accident. */
export interface Secret {
  /** The value itself; call it only where it is handed to the one who needs it. */
  reveal(): string;
  toJSON(): string;
}

export function secret(value: string): Secret {
  const hidden = {
    reveal: () => value,
    toJSON: () => REDACTED,
    toString: () => REDACTED,
    [inspect.custom]: () => REDACTED,
  };
  return hidden;
}

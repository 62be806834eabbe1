import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import type { AttemptFolder } from "./folders.ts";

const MESSAGE_MAX_BYTES = 4_096;

/** The end of the container's termination file, as the kubelet takes it; "" without one. */
export function terminationMessageIn({ termination }: AttemptFolder): string {
  let file: number;
  try {
    file = openSync(termination, "r");
  } catch {
    return "";
  }
  try {
    const buffer = Buffer.alloc(MESSAGE_MAX_BYTES);
    const from = Math.max(0, fstatSync(file).size - MESSAGE_MAX_BYTES);
    return buffer.toString("utf8", 0, readSync(file, buffer, 0, MESSAGE_MAX_BYTES, from));
  } finally {
    closeSync(file);
  }
}

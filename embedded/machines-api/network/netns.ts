import { dlopen, read } from "bun:ffi";
import { closeSync, openSync } from "node:fs";
import { FksError } from "#core/errors.ts";

const CLONE_NEWNET = 0x4000_0000;

/** Where iproute2 keeps named network namespaces. */
export const NETNS_DIR = "/run/netns";

const { __errno_location: errnoAddress, ...libc } = dlopen("libc.so.6", {
  setns: { args: ["i32", "i32"], returns: "i32" },
  __errno_location: { args: [], returns: "ptr" },
}).symbols;

/**
 * Runs `fn` with this thread inside the network namespace `name` and comes back before it returns.
 *
 * `fn` must be synchronous and only make sockets or read and write `/proc/sys/net`: a socket stays in
 * the namespace it was made in. Never `fetch` in it: its own thread would stay there for good. When
 * coming back fails the process ends, since every later socket would be made in the wrong place.
 * Throws FksError `NotFound` when there is no such namespace.
 */
export function withNetns<Result>(name: string, fn: () => Result): Result {
  const home = openSync("/proc/thread-self/ns/net", "r");
  try {
    enter(name);
    try {
      return fn();
    } finally {
      if (libc.setns(home, CLONE_NEWNET) !== 0) process.abort();
    }
  } finally {
    closeSync(home);
  }
}

function enter(name: string): void {
  const target = opened(name);
  try {
    if (libc.setns(target, CLONE_NEWNET) !== 0) {
      throw new FksError("Unavailable", `cannot enter network namespace ${name}: errno ${errno()}`);
    }
  } finally {
    closeSync(target);
  }
}

function opened(name: string): number {
  try {
    return openSync(`${NETNS_DIR}/${name}`, "r");
  } catch (error) {
    throw new FksError("NotFound", `there is no network namespace ${name}`, { cause: error });
  }
}

function errno(): number {
  const at = errnoAddress();
  return at === null ? 0 : read.i32(at);
}

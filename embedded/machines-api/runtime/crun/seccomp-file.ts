import { closeSync, constants, openSync, readFileSync } from "node:fs";
import * as z from "zod";
import { FksError, messageOf } from "#core/errors.ts";
import { ENOENT, openBeneath } from "./libc.ts";
import type { SeccompProfile } from "./seccomp.ts";

const count = z.number().int().nonnegative();

/** All that the OCI specification has, except what needs a program that listens. */
const action = z.enum([
  "SCMP_ACT_KILL",
  "SCMP_ACT_KILL_PROCESS",
  "SCMP_ACT_KILL_THREAD",
  "SCMP_ACT_TRAP",
  "SCMP_ACT_ERRNO",
  "SCMP_ACT_TRACE",
  "SCMP_ACT_ALLOW",
  "SCMP_ACT_LOG",
]);

const profile = z.object({
  defaultAction: action,
  defaultErrnoRet: count.exactOptional(),
  architectures: z.array(z.string().regex(/^SCMP_ARCH_[A-Z0-9_]+$/)).exactOptional(),
  flags: z.array(z.string().regex(/^SECCOMP_FILTER_FLAG_[A-Z_]+$/)).exactOptional(),
  syscalls: z
    .array(
      z.object({
        names: z.array(z.string().regex(/^\w+$/)).min(1),
        action,
        errnoRet: count.exactOptional(),
        args: z
          .array(
            z.object({
              index: count.max(5),
              value: count,
              valueTwo: count.exactOptional(),
              op: z.enum([
                "SCMP_CMP_NE",
                "SCMP_CMP_LT",
                "SCMP_CMP_LE",
                "SCMP_CMP_EQ",
                "SCMP_CMP_GE",
                "SCMP_CMP_GT",
                "SCMP_CMP_MASKED_EQ",
              ]),
            }),
          )
          .exactOptional(),
      }),
    )
    .exactOptional(),
});

/**
 * The profile at this path below `folder`, never outside of it. Throws FksError `NotFound` when it is
 * not there and `Unsupported` when it is none, in the words of a container runtime.
 */
export function readProfile(folder: string, path: string): SeccompProfile {
  const file = `${folder}/${path}`;
  const text = textBeneath(folder, path, file);
  try {
    return profile.parse(JSON.parse(text));
  } catch (error) {
    const why = error instanceof z.ZodError ? z.prettifyError(error) : messageOf(error);
    const message = `decoding seccomp profile failed ${JSON.stringify(file)}: ${why.replaceAll(/\s+/g, " ")}`;
    throw new FksError("Unsupported", message, { cause: error });
  }
}

function textBeneath(folder: string, path: string, file: string): string {
  try {
    const root = openSync(folder, constants.O_RDONLY | constants.O_DIRECTORY);
    try {
      const opened = openBeneath(root, path, constants.O_RDONLY);
      if (opened < 0) throw new Error(opened === -ENOENT ? "" : `it is not below ${folder}`);
      try {
        return readFileSync(opened, "utf8");
      } finally {
        closeSync(opened);
      }
    } finally {
      closeSync(root);
    }
  } catch (error) {
    const isAbsent = messageOf(error) === "" || messageOf(error).startsWith("ENOENT");
    const why = isAbsent ? "no such file or directory" : messageOf(error);
    const message = `cannot load seccomp profile ${JSON.stringify(file)}: open ${file}: ${why}`;
    throw new FksError("NotFound", message, { cause: error });
  }
}

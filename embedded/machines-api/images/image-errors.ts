import { FksError } from "#core/errors.ts";

/** What the disk had against it, in a sentence for people; other errors stay as they are. */
export function diskError(error: unknown, folder: string): unknown {
  if (error instanceof FksError || !(error instanceof Error) || !("code" in error)) return error;
  const path = "path" in error && typeof error.path === "string" ? error.path : folder;

  switch (error.code) {
    case "ENOSPC":
    case "EDQUOT":
      return new FksError("Unavailable", `no space is left for ${folder}`, { cause: error });
    case "EACCES":
    case "EPERM":
      return new FksError("Forbidden", `${path} may not be used by this user: run as root`, {
        cause: error,
      });
    case "EROFS":
      return new FksError("Unavailable", `${folder} is read-only`, { cause: error });
    case "ENOENT":
      return new FksError("NotFound", `there is no file ${path}`, { cause: error });
    case "EISDIR":
      return new FksError("InvalidInput", `${path} is a folder, not a file`, { cause: error });
    case "ENAMETOOLONG":
      return new FksError("InvalidInput", "a name in it is too long for this file system", {
        cause: error,
      });
    default:
      return error;
  }
}

/** A bad image is a pull that failed: `InvalidInput` stays reserved for a bad name. */
export function pullError(name: string, error: unknown): unknown {
  if (!(error instanceof FksError) || error.message.startsWith("ErrImageNeverPull")) return error;
  const code = error.code === "InvalidInput" ? "Unavailable" : error.code;
  return told(`cannot pull ${name}`, code, error);
}

export function loadError(file: string, error: unknown): unknown {
  if (!(error instanceof FksError)) return error;
  return told(`cannot load ${file}`, error.code, error);
}

function told(what: string, code: FksError["code"], cause: FksError): FksError {
  const { retryAfterMs } = cause;
  const options = retryAfterMs === undefined ? { cause } : { cause, retryAfterMs };
  return new FksError(code, `${what}: ${cause.message}`, options);
}

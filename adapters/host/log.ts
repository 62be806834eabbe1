import { pino } from "pino";
import { PinoPretty } from "pino-pretty";
import type { Log } from "#core/ports/log.ts";

export type LogLevel = "debug" | "info" | "warn" | "error";

interface LogOptions {
  /** Who speaks: the role's name, a field of every line. */
  readonly role: string;
  readonly level: LogLevel;
  readonly format: "pretty" | "json";
  readonly color: boolean;
  /** Where lines go; standard error unless a test wants them. */
  readonly fd?: number;
}

/** The one logger: JSON lines for machines, short coloured lines for a person at a terminal. */
export function hostLog({ role, level, format, color, fd = 2 }: LogOptions): Log {
  const destination =
    format === "json"
      ? linesTo(fd)
      : PinoPretty({
          destination: fd,
          sync: true,
          colorize: color,
          translateTime: "HH:MM:ss.l",
          ignore: "pid,hostname",
          singleLine: true,
        });
  const options = {
    level,
    base: { role },
    timestamp: pino.stdTimeFunctions.isoTime,
    serializers: { err: pino.stdSerializers.err, error: pino.stdSerializers.err },
  };
  return logOf(pino(options, destination));
}

/** Lines that cannot be written are lost: a full disk or a closed pipe is no reason to die. */
function linesTo(fd: number): pino.DestinationStream {
  const destination = pino.destination({ dest: fd, sync: true });
  destination.on("error", () => {});
  return destination;
}

function logOf(logger: pino.Logger): Log {
  return {
    debug: (message, fields = {}) => logger.debug(fields, message),
    info: (message, fields = {}) => logger.info(fields, message),
    warn: (message, fields = {}) => logger.warn(fields, message),
    error: (message, fields = {}) => logger.error(fields, message),
    with: (fields) => logOf(logger.child(fields)),
  };
}

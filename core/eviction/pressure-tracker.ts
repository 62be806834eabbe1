import type { Clock } from "../ports/clock.ts";
import type { Log } from "../ports/log.ts";
import { type PressureSource, type PressureState, pressureSeen, pressuresAt } from "./pressure.ts";
import type { HostReading, Pressure } from "./signals.ts";
import { type Threshold, thresholdsMet } from "./thresholds.ts";

interface TrackerDeps {
  readonly thresholds: readonly Threshold[];
  /** The host as it is now. */
  readonly read: () => HostReading;
  readonly clock: Clock;
  readonly log: Log;
}

export interface PressureTracker extends PressureSource {
  /** Looks at the host. */
  look(): HostLook;
}

export interface HostLook {
  readonly reading: HostReading;
  /** The thresholds that are crossed, the one to be dealt with first in front. */
  readonly met: readonly Threshold[];
}

/** Follows what the host is short of, from a first look on. A restart forgets what is over by then. */
export function pressureTracker({ thresholds, read, clock, log }: TrackerDeps): PressureTracker {
  const listeners: (() => void)[] = [];
  let state: PressureState = new Map();
  let told: readonly Pressure[] = [];
  const current = (): readonly Pressure[] => pressuresAt(state, clock.now());

  function look(): HostLook {
    const reading = read();
    const met = thresholdsMet(thresholds, reading);
    state = pressureSeen(state, met, clock.now());
    const pressures = current();
    if (pressures.join(" ") !== told.join(" ")) {
      log.warn("node pressure changed", { before: told, now: pressures });
      told = pressures;
      for (const listener of listeners) listener();
    }
    return { reading, met };
  }

  look();
  return { look, current, onChange: (listener) => void listeners.push(listener) };
}

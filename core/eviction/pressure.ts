import { PRESSURE_OF, PRESSURES, type Pressure } from "./signals.ts";
import type { Threshold } from "./thresholds.ts";

/** How long a Node says that it is short of something after it no longer is: nobody gains by flaps. */
const TRANSITION_MS = 300_000;

/** When each pressure was seen last. */
export type PressureState = ReadonlyMap<Pressure, number>;

/** The state once these thresholds are known to be crossed. Pure. */
export function pressureSeen(
  state: PressureState,
  met: readonly Threshold[],
  nowMs: number,
): PressureState {
  return new Map([...state, ...met.map(({ signal }) => [PRESSURE_OF[signal], nowMs] as const)]);
}

/** What the Node says: every pressure that was seen within the last five minutes. Pure. */
export function pressuresAt(state: PressureState, nowMs: number): readonly Pressure[] {
  return PRESSURES.filter((pressure) => {
    const seenMs = state.get(pressure);
    return seenMs !== undefined && nowMs - seenMs < TRANSITION_MS;
  });
}

/** What a Node's conditions are made from. */
export interface PressureSource {
  current(): readonly Pressure[];
  onChange(listener: () => void): void;
}

/** In the kubelet's words: the reason when it is short, when it is not, and the sentences for both. */
export const PRESSURE_WORDS: Readonly<Record<Pressure, PressureWords>> = {
  MemoryPressure: {
    short: ["KubeletHasInsufficientMemory", "kubelet has insufficient memory available"],
    enough: ["KubeletHasSufficientMemory", "kubelet has sufficient memory available"],
  },
  DiskPressure: {
    short: ["KubeletHasDiskPressure", "kubelet has disk pressure"],
    enough: ["KubeletHasNoDiskPressure", "kubelet has no disk pressure"],
  },
  PIDPressure: {
    short: ["KubeletHasInsufficientPID", "kubelet has insufficient PID available"],
    enough: ["KubeletHasSufficientPID", "kubelet has sufficient PID available"],
  },
};

interface PressureWords {
  readonly short: readonly [reason: string, message: string];
  readonly enough: readonly [reason: string, message: string];
}

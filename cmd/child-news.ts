import type { ChildReport } from "#core/supervisor/child-report.ts";

type News =
  | { readonly kind: "step"; readonly text: string }
  | { readonly kind: "trouble"; readonly text: string };

/** What a change of a child is worth saying to a person; undefined for most changes. Pure. */
export function newsOf(
  before: ChildReport | undefined,
  report: ChildReport,
  logPath: string,
): News | undefined {
  const { name, state, restarts } = report;
  if (state === "running" && before?.state === "starting") {
    const seconds = ((report.readyAfterMs ?? 0) / 1000).toFixed(1);
    const again = restarts === 0 ? "" : " again";
    return { kind: "step", text: `${name} is ready${again} after ${seconds} s` };
  }
  if (state === "waiting" && before?.state !== "waiting") {
    const waitMs = (report.nextStartAtMs ?? 0) - (report.lastExit?.atMs ?? 0);
    const when = report.lastExit === undefined ? "soon" : `in ${(waitMs / 1000).toFixed(1)} s`;
    const how = report.isCrashLoop ? "keeps dying" : "died";
    return {
      kind: "trouble",
      text: `${name} ${how}: ${report.reason}; starts again ${when}; its log: ${logPath}`,
    };
  }
  return undefined;
}

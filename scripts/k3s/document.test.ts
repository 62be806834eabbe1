import { describe, expect, test } from "bun:test";
import { testsIn } from "../junit.ts";
import { documentOf } from "./document.ts";
import { proofWith } from "./record.ts";
import { FACTS, REPORT_WITH_SKIPPED, RUN } from "./sample-run.ts";

describe("the page about K3s", () => {
  test("before the first run says that there was none", () => {
    const text = documentOf({ proof: { proven: [] }, run: undefined });
    expect(text).toContain("**Not yet run against a real K3s.**");
    expect(text).toContain("make test-k3s");
    expect(text).toEndWith("## Runs\n\nNone yet.\n");
  });

  test("after a run says what it was, what failed first, and names every test", () => {
    const text = documentOf({ proof: proofWith({ proven: [] }, RUN), run: RUN });
    expect(text).not.toContain("Not yet run");
    expect(text).toContain("**v1.36.4+k3s1: 2 of 3 end-to-end tests passed on 2026-12-01.**");
    expect(text).toContain(`| sha256 of the executable | \`${FACTS.sha256}\` |`);
    expect(text).toContain(`| host | ${FACTS.host} |`);
    expect(text).toContain("| 2026-12-01 | v1.36.4+k3s1 | amd64 | 2 | 1 | 0 |");
    expect(text).toEndWith(`## The last run, test by test

### Failed

- one Pod: kubectl exec works (\`test/e2e/one-pod.test.ts\`)

### \`test/e2e/one-pod.test.ts\`

- one Pod: kubectl logs gives output

### \`test/e2e/k3s.test.ts\`

- an orphan is ended
`);
  });

  test("says what was skipped", () => {
    const run = { ...FACTS, tests: testsIn(REPORT_WITH_SKIPPED) };
    const text = documentOf({ proof: proofWith({ proven: [] }, run), run });
    expect(text).toContain("1 of 3 end-to-end tests passed on 2026-12-01, 1 skipped.**");
    expect(text).toContain("| 2026-12-01 | v1.36.4+k3s1 | amd64 | 1 | 1 | 1 |");
    expect(text).toContain("- an orphan is ended (skipped)");
  });

  test("lists earlier runs, the newest first", () => {
    const proven = [
      {
        version: "v1.36.3+k3s1",
        date: "2026-11-01",
        arch: "arm64",
        passed: 9,
        failed: 0,
        skipped: 0,
      },
      {
        version: "v1.36.4+k3s1",
        date: "2026-12-01",
        arch: "amd64",
        passed: 8,
        failed: 1,
        skipped: 2,
      },
    ];
    expect(documentOf({ proof: { proven }, run: undefined })).toContain(
      "| 2026-12-01 | v1.36.4+k3s1 | amd64 | 8 | 1 | 2 |\n| 2026-11-01 | v1.36.3+k3s1 | arm64 | 9 | 0 | 0 |\n",
    );
  });
});

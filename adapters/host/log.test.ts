import { afterAll, expect, test } from "bun:test";
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { hostLog } from "./log.ts";

const folder = mkdtempSync(join(tmpdir(), "fks-log-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function linesOf(format: "json" | "pretty", write: (log: ReturnType<typeof hostLog>) => void) {
  const path = join(folder, crypto.randomUUID());
  const fd = openSync(path, "a");
  write(hostLog({ role: "dns", level: "info", format, color: false, fd }));
  const text = readFileSync(path, "utf8");
  closeSync(fd);
  return text.trim().split("\n");
}

test("a machine reads one JSON object a line, with role, fields and the error's cause", () => {
  const [line = "", ...more] = linesOf("json", (log) => {
    log.debug("not asked for");
    log.with({ pod: "default/web" }).warn("retry comes", { err: new Error("no route") });
  });

  expect(more).toEqual([]);
  expect(JSON.parse(line)).toMatchObject({
    level: 40,
    role: "dns",
    pod: "default/web",
    msg: "retry comes",
    err: { message: "no route" },
  });
});

test("a person reads time, level and message", () => {
  const [line = ""] = linesOf("pretty", (log) => log.info("ready", { port: 53 }));

  expect(line).toMatch(/^\[\d\d:\d\d:\d\d\.\d{3}\] INFO: ready \{"role":"dns","port":53\}$/);
});

test("a disk that is full costs lines, not the process", () => {
  const fd = openSync("/dev/full", "a");

  expect(() =>
    hostLog({ role: "dns", level: "info", format: "json", color: false, fd }).info("lost"),
  ).not.toThrow();
});

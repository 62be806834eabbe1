import type { Context } from "hono";
import { Hono } from "hono";
import { ApiError, invalid, machineNotFound } from "../errors.ts";
import { WAIT_STATES, type WaitState, waitFor } from "../wait.ts";
import { type Api, machineAt } from "./context.ts";

const MAX_SECONDS = 60;

/** `GET …/wait`: answers once the Machine is in one of the states, 408 when the time is over. */
export function waitRoute(api: Api): Hono {
  return new Hono().get("/", async (c) => {
    const record = machineAt(api, c);
    const states = statesOf(c);
    const version = c.req.query("version") ?? c.req.query("instance_id");
    if (version !== undefined && version !== record.instanceId) {
      const isKnown = api.store.versions(record.id).some((other) => other.version === version);
      if (!isKnown) throw new ApiError(404, "machine version not found");
    }
    const asked = {
      states,
      version,
      fromEventId: c.req.query("from_event_id"),
      timeoutMs: secondsOf(c.req.query("timeout")) * 1_000,
    };
    const verdict = await waitFor(api, record.id, asked, c.req.raw.signal);
    if (verdict.is === "gone") throw machineNotFound();
    if (verdict.is === "reached") {
      const { state, eventId } = verdict;
      const current = api.keeper.get(record.id)?.instanceId ?? record.instanceId;
      return c.json({ ok: true, state, version: current, event_id: eventId });
    }
    const now = verdict.is === "replaced" ? "replaced" : api.keeper.get(record.id)?.state;
    throw new ApiError(
      408,
      `deadline_exceeded: machine failed to reach desired state, ${states.join(", ")}, currently ${now}`,
    );
  });
}

function statesOf(c: Context): readonly WaitState[] {
  const asked = (c.req.queries("state") ?? []).flatMap((text) => text.split(","));
  if (asked.length === 0) return ["started"];
  return asked.map((text) => {
    const state = WAIT_STATES.find((other) => other === text);
    if (state === undefined) throw invalid(`state '${text}' cannot be waited for`);
    return state;
  });
}

function secondsOf(text: string | undefined): number {
  const seconds = Number((text ?? String(MAX_SECONDS)).replace(/s$/, ""));
  if (!(seconds >= 1 && seconds <= MAX_SECONDS)) {
    throw invalid("timeout must be in the range [1s, 1m0s]");
  }
  return seconds;
}

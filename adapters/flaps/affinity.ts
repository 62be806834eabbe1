/**
 * The cookie by which Fly keeps an App's calls on one server, so that a read sees the write before
 * it. One per App, in memory.
 */
export interface Affinity {
  headerFor(app: string): Readonly<Record<string, string>>;
  learn(app: string, response: Response): void;
}

const COOKIE = "fly_flaps_affinity";
/** Beyond it the App that was heard of first is forgotten; its next answer sets it again. */
const APPS_MAX = 5_000;

export function affinity(): Affinity {
  const values = new Map<string, string>();

  return {
    headerFor(app) {
      const value = values.get(app);
      return value === undefined ? {} : { cookie: `${COOKIE}=${value}` };
    },
    learn(app, response) {
      for (const cookie of response.headers.getSetCookie()) {
        const [pair = ""] = cookie.split(";", 1);
        const [name, value] = pair.split("=", 2);
        if (name?.trim() !== COOKIE || value === undefined) continue;
        values.delete(app);
        values.set(app, value);
        const [oldest] = values.keys();
        if (values.size > APPS_MAX && oldest !== undefined) values.delete(oldest);
      }
    },
  };
}

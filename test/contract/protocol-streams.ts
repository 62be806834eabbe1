import { expect } from "bun:test";
import type { MachineRef } from "#core/fly/machine-protocol.ts";
import { it } from "./suite.ts";
import {
  bytesOf,
  codeOf,
  eventually,
  forever,
  type ProtocolWorld,
  runningScript,
  shell,
  sink,
} from "./world.ts";

type Given = () => ProtocolWorld;

/** The live connections into a Machine: exec, terminals, ports. */
export function protocolStreams(given: Given): void {
  executing(given);
  terminals(given);
  connecting(given);
}

function executing(given: Given): void {
  it("exec carries input, output and errors apart, and the exit code", async () => {
    const world = given();
    const ref = await runningScript(world, "sleep 100");
    const [stdout, stderr] = [sink(), sink()];
    const exit = await world.protocol.exec(
      ref,
      "main",
      {
        command: shell("cat; echo err >&2; exit 5"),
        tty: false,
        stdin: bytesOf("in"),
        stdout: stdout.stream,
        stderr: stderr.stream,
      },
      forever,
    );

    expect(exit.exitCode).toBe(5);
    expect([stdout.text(), stderr.text()]).toEqual(["in", "err\n"]);
  });

  it("exec carries megabytes unharmed", async () => {
    const world = given();
    const ref = await runningScript(world, "sleep 100");
    const sent = new Uint8Array(8_000_000).map((_, index) => (index * 31) % 251);
    const chunks: Uint8Array[] = [];
    const stdout = new WritableStream<Uint8Array>({
      write: (chunk) => {
        chunks.push(chunk.slice());
      },
    });
    const stdin = new Blob([sent]).stream();
    await world.protocol.exec(
      ref,
      "main",
      { command: ["cat"], tty: false, stdin, stdout },
      forever,
    );

    expect(Buffer.concat(chunks).equals(sent)).toBe(true);
  });

  it("a command that is not there fails, and the container runs on", async () => {
    const world = given();
    const ref = await runningScript(world, "sleep 100");
    const request = { command: ["/no/such/program"], tty: false };
    const answer = await world.protocol
      .exec(ref, "main", request, forever)
      .catch((error: unknown) => error);

    expect(answer).not.toMatchObject({ exitCode: 0 });
    const fine = await world.protocol.exec(ref, "main", { command: ["true"], tty: false }, forever);
    expect(fine.exitCode).toBe(0);
  });

  it("a client that goes away ends what it started", async () => {
    const world = given();
    const ref = await runningScript(world, "sleep 100");
    const stop = new AbortController();
    const reason = new Error("hung up");
    const started = Promise.withResolvers<void>();
    const stdout = new WritableStream<Uint8Array>({ write: () => started.resolve() });
    const request = { command: shell("echo up; exec sleep 4242"), tty: false, stdout };
    const left = codeOf(world.protocol.exec(ref, "main", request, stop.signal));
    await started.promise;
    stop.abort(reason);
    expect(await left).toBe(reason);

    await eventually(async () => {
      const ps = sink();
      await world.protocol.exec(
        ref,
        "main",
        { command: ["ps"], tty: false, stdout: ps.stream },
        forever,
      );
      return ps.text().includes("sleep 4242") ? undefined : true;
    });
  });
}

function terminals(given: Given): void {
  it("a terminal has a size, follows its changes and takes input", async () => {
    const world = given();
    const ref = await runningScript(world, "sleep 100");
    const stdout = sink();
    const sizes = new TransformStream<{ cols: number; rows: number }>();
    const resize = sizes.writable.getWriter();
    const input = new TransformStream<Uint8Array>();
    const typing = input.writable.getWriter();
    const ran = world.protocol.exec(
      ref,
      "main",
      {
        command: shell('while read line; do [ "$line" = end ] && exit 6; stty size; done'),
        tty: true,
        stdin: input.readable,
        stdout: stdout.stream,
        resize: sizes.readable,
      },
      forever,
    );
    await resize.write({ cols: 91, rows: 31 });
    await eventually(async () => {
      await typing.write(Buffer.from("go\n"));
      await Bun.sleep(50);
      return stdout.text().includes("31 91") ? true : undefined;
    });
    await resize.write({ cols: 120, rows: 40 });
    await eventually(async () => {
      await typing.write(Buffer.from("more\n"));
      await Bun.sleep(50);
      return stdout.text().includes("40 120") ? true : undefined;
    });
    await typing.write(Buffer.from("end\n"));

    expect(await ran).toEqual({ exitCode: 6 });
  });
}

function connecting(given: Given): void {
  it("connect reaches a port on 127.0.0.1, and one on ::1", async () => {
    const world = given();
    for (const address of ["127.0.0.1", "[::1]"]) {
      const script = `mkdir /w; echo hello > /w/index.html; exec httpd -f -p ${address}:8081 -h /w`;
      const ref = await runningScript(world, script);
      const text = await eventually(async () => {
        const answer = await asked(world, ref).catch(() => "");
        return answer === "" ? undefined : answer;
      });
      expect(text).toContain("hello");
    }
  });

  async function asked(world: ReturnType<Given>, ref: MachineRef): Promise<string> {
    const { readable, writable } = await world.protocol.connect(ref, 8081, forever);
    const writer = writable.getWriter();
    await writer.write(Buffer.from("GET / HTTP/1.0\r\n\r\n"));
    return new Response(readable).text();
  }

  it("closing one direction leaves the other open", async () => {
    const world = given();
    const ref = await runningScript(world, "while :; do nc -l -p 8082 -e wc -c; done");
    const counted = await eventually(async () => {
      const { readable, writable } = await world.protocol.connect(ref, 8082, forever);
      const writer = writable.getWriter();
      const sent = await codeOf(writer.write(new Uint8Array(100_000)).then(() => writer.close()));
      const text = await new Response(readable).text().catch(() => "");
      return text === "" || sent === "Unavailable" ? undefined : text;
    });

    expect(counted.trim()).toBe("100000");
  });

  it("a port nobody listens on is Unavailable", async () => {
    const world = given();
    const ref = await runningScript(world, "sleep 100");
    const refused = world.protocol
      .connect(ref, 9, forever)
      .then(({ readable }) => new Response(readable).text());

    expect(await codeOf(refused)).toBe("Unavailable");
  });
}

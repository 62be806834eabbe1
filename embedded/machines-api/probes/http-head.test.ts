import { expect, test } from "bun:test";
import { assert, property, uint8Array } from "fast-check";
import { headOf } from "./http-head.ts";

const head = (text: string): ReturnType<typeof headOf> => headOf(Buffer.from(text));

test("a head is read once it is complete, interim answers are skipped", () => {
  expect(head("HTT")).toBeUndefined();
  expect(head("HTTP/1.1 200 OK\r\nX: y\r\n")).toBeUndefined();
  expect(head("HTTP/1.1 100 Continue\r\n\r\n")).toBeUndefined();
  const text =
    "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.0 302 Found\r\nlocation:  /x\r\nContent-Length: 5\r\n\r\n";
  expect(head(`${text}hello`)).toEqual({
    status: 302,
    location: "/x",
    contentLength: 5,
    length: text.length,
  });
});

test("what is no HTTP is told", () => {
  expect(() => head("SSH-2.0-OpenSSH\r\n")).toThrow("malformed HTTP response");
  expect(() => head("HTTP/1.1 abc\r\n\r\n")).toThrow("malformed HTTP response");
});

test("whatever arrives gives a head, a wish for more, or a sentence", () => {
  assert(
    property(uint8Array({ maxLength: 200 }), (bytes) => {
      try {
        headOf(bytes);
      } catch (error) {
        expect(String(error)).toContain("malformed HTTP response");
      }
    }),
  );
});

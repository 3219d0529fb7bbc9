import assert from "node:assert/strict";
import { test } from "node:test";

import { byteLength, decodeFrame, encodePublish, publishOverhead, WireError } from "../wire.js";

const bytes = (hex) => Uint8Array.from(hex.trim().split(/\s+/), (pair) => Number.parseInt(pair, 16));
const hex = (data) => [...data].map((byte) => byte.toString(16).padStart(2, "0")).join(" ");

// Both from PROTOCOL.md.
const SENT = "01 00 05 05 01 00 00 00 6c 6f 62 62 79 69 6d 61 67 65 39 ff d8";
const RECEIVED = `01 80 05 05 01 05 00 00 00 c9 f1 b2 a4 d0 7e 35 00 00 00 00 00 00 00 2a 00 00 01 a0 c4 50 6c 00
  6c 6f 62 62 79 69 6d 61 67 65 39 61 6c 69 63 65 ff d8`;

function received({ change = {}, tail = "" } = {}) {
  const frame = bytes(RECEIVED + tail);
  for (const [index, byte] of Object.entries(change)) {
    frame[index] = byte;
  }
  return frame;
}

test("a publication is encoded as the protocol's example", () => {
  const frame = encodePublish({ room: "lobby", type: "image", id: "9", payload: bytes("ff d8") });
  assert.equal(hex(frame), SENT);
});

test("without names, only the header goes before the payload", () => {
  assert.equal(hex(encodePublish({ payload: bytes("ff") })), "01 00 00 00 00 00 00 00 ff");
});

test("lengths are counted in bytes of UTF-8", () => {
  const frame = encodePublish({ room: "größe", payload: new Uint8Array() });
  assert.equal(frame[2], 7);
  assert.equal(frame.length, 8 + 7);
});

test("the overhead is what the frame has beside its payload", () => {
  const names = { room: "größe", type: "image", id: "abc-1" };
  const payload = new Uint8Array(100);
  assert.equal(encodePublish({ ...names, payload }).length, publishOverhead(names) + payload.length);
});

test("a name over its limit is refused, one at the limit is not", () => {
  const payload = new Uint8Array();
  assert.doesNotThrow(() => encodePublish({ room: "r".repeat(128), type: "t".repeat(64), id: "i".repeat(64), payload }));
  assert.throws(() => encodePublish({ room: "ö".repeat(65), payload }), WireError);
  assert.throws(() => encodePublish({ type: "t".repeat(65), payload }), WireError);
  assert.throws(() => encodePublish({ id: "i".repeat(65), payload }), WireError);
});

test("a publication is decoded as the protocol's example", () => {
  const { payload, ...rest } = decodeFrame(received().buffer);
  assert.equal(hex(payload), "ff d8");
  assert.deepEqual(rest, {
    direct: false,
    timestamp: 1790000000000,
    room: "lobby",
    type: "image",
    id: "9",
    from: "alice",
    position: "00c9f1b2a4d07e35:42",
  });
});

test("a direct message has no position", () => {
  const frame = decodeFrame(received({ change: { 1: 129 } }));
  assert.equal(frame.direct, true);
  assert.equal("position" in frame, false);
});

test("an offset beyond 2^53 keeps all its digits", () => {
  const frame = received();
  frame.fill(0xff, 16, 24);
  assert.equal(decodeFrame(frame).position, "00c9f1b2a4d07e35:18446744073709551615");
});

test("names of length 0 are absent, and the type is then `binary`", () => {
  const frame = decodeFrame(bytes(`01 80 00 00 00 00 00 00 ${"00 ".repeat(24)} 61`));
  assert.equal(frame.type, "binary");
  assert.equal(frame.id, undefined);
  assert.equal(frame.from, undefined);
  assert.equal(hex(frame.payload), "61");
});

test("a frame inside a bigger buffer is read at its own place", () => {
  const inner = received();
  const outer = new Uint8Array(inner.length + 5);
  outer.set(inner, 5);
  assert.equal(decodeFrame(outer.subarray(5)).from, "alice");
});

test("every cut of the names or the header is an error, a cut payload is not", () => {
  const whole = received();
  const named = whole.length - 2;
  for (let length = 0; length < named; length += 1) {
    assert.throws(() => decodeFrame(whole.slice(0, length)), WireError, `${length} bytes`);
  }
  assert.equal(decodeFrame(whole.slice(0, named)).payload.length, 0);
});

test("another version, a kind that is not for clients and bad UTF-8 are errors", () => {
  assert.throws(() => decodeFrame(received({ change: { 0: 2 } })), WireError);
  assert.throws(() => decodeFrame(received({ change: { 1: 0 } })), WireError);
  assert.throws(() => decodeFrame(received({ change: { 32: 0xff } })), WireError);
});

test("byteLength counts bytes and not characters", () => {
  assert.equal(byteLength("a"), 1);
  assert.equal(byteLength("ö"), 2);
  assert.equal(byteLength("😀"), 4);
});

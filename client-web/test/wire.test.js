// Binary frames, byte by byte as PROTOCOL.md has them.

import assert from "node:assert/strict";
import { test } from "node:test";

import { decode, encode, fromHistory, sizeOf, snapshot } from "../dist/wire.js";

const PUBLICATION = 128;
const HEADER = 32;

/** A frame as the server sends it. */
function frame({ version = 1, kind = PUBLICATION, room = "", type = "", id = "", from = "", epoch = 0n, offset = 0n, timestamp = 0n, payload = [] }) {
  const names = [room, type, id, from].map((name) => Buffer.from(name));
  const head = Buffer.alloc(HEADER);
  head.set([version, kind, ...names.map(({ length }) => length)]);
  [epoch, offset, timestamp].forEach((number, index) => head.writeBigUInt64BE(number, 8 * (index + 1)));
  const bytes = Buffer.concat([head, ...names, Buffer.from(payload)]);
  return bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length);
}

const WHOLE = { room: "lobby", type: "image", id: "c-1", from: "jörg", epoch: 0x00c9f1b2a4d07e35n, offset: 42n, timestamp: 1_790_000_000_000n, payload: [1, 2, 255] };

test("a publication has all its parts", () => {
  assert.deepEqual(decode(frame(WHOLE)), {
    type: "image",
    room: "lobby",
    id: "c-1",
    from: "jörg",
    event_id: "00c9f1b2a4d07e35:42",
    timestamp: 1_790_000_000_000,
    payload: Uint8Array.of(1, 2, 255),
  });
});

test("what is left out is left out", () => {
  const { id, from, type, payload } = decode(frame({ room: "lobby", epoch: 1n, offset: 1n }));
  assert.deepEqual([id, from, type, payload], [undefined, undefined, "binary", new Uint8Array()]);
});

test("direct messages and acks have no position", () => {
  const direct = decode(frame({ kind: 129, from: "bob", id: "x", payload: [7] }));
  assert.deepEqual(direct, { type: "direct", room: undefined, id: "x", from: "bob", timestamp: 0, payload: Uint8Array.of(7) });
  assert.equal(decode(frame({ kind: 130, id: "x" })).type, "ack");
});

test("an offset beyond what a number holds is exact", () => {
  for (const offset of [2n ** 53n + 1n, 2n ** 64n - 1n]) {
    assert.equal(decode(frame({ ...WHOLE, epoch: 2n ** 64n - 1n, offset })).event_id, `ffffffffffffffff:${offset}`);
  }
});

test("a frame that was cut anywhere before its payload is not read", () => {
  const whole = frame(WHOLE);
  const head = whole.byteLength - WHOLE.payload.length;
  for (let length = 0; length < head; length += 1) {
    assert.throws(() => decode(whole.slice(0, length)), `${length} bytes`);
  }
  assert.deepEqual(decode(whole.slice(0, head)).payload, new Uint8Array());
});

test("another version, a kind that does not go to a client, and names that are no text are not read", () => {
  assert.throws(() => decode(frame({ ...WHOLE, version: 2 })));
  for (const kind of [0, 1, 127, 131, 255]) {
    assert.throws(() => decode(frame({ ...WHOLE, kind })), `kind ${kind}`);
  }
  assert.throws(() => decode(frame({ ...WHOLE, room: [0xff] })));
});

test("text that is no message is not read", () => {
  for (const text of ["", "{", "null", "1", "[]", "{}", '{"type":1}']) {
    assert.throws(() => decode(text), text);
  }
  assert.deepEqual(decode('{"type":"x","n":1}'), { type: "x", n: 1 });
});

test("bytes go out with the names before them", () => {
  const published = encode({ type: "image", room: "lobby", id: "c-1", payload: Uint8Array.of(9) });
  assert.deepEqual(Buffer.from(published), Buffer.concat([Buffer.from([1, 0, 5, 5, 3, 0, 0, 0]), Buffer.from("lobbyimagec-1"), Buffer.from([9])]));
  const direct = encode({ type: "direct", to: "bob", id: "c-2", payload: new Uint8Array() });
  assert.deepEqual(Buffer.from(direct), Buffer.concat([Buffer.from([1, 1, 3, 0, 3, 0, 0, 0]), Buffer.from("bobc-2")]));
  const elsewhere = encode({ type: "image", id: "c-3", payload: new Uint8Array() });
  assert.deepEqual([...elsewhere.subarray(0, 5)], [1, 0, 0, 5, 3]);
});

test("a name may have 255 bytes", () => {
  const message = (room) => ({ type: "image", room, id: "c", payload: new Uint8Array() });
  assert.equal(encode(message("r".repeat(255)))[2], 255);
  assert.throws(() => encode(message("ö".repeat(128))), RangeError);
});

test("the size is what travels", () => {
  assert.equal(sizeOf({ type: "ö" }), Buffer.byteLength('{"type":"ö"}'));
  assert.equal(sizeOf({ type: "image", room: "ö", id: "c", payload: new Uint8Array(10) }), 8 + 2 + 5 + 1 + 10);
});

test("bytes of a history are bytes again, whatever they are", () => {
  const bytes = Uint8Array.from({ length: 256 }, (_, index) => index);
  const event = { type: "image", event_id: "e:1", binary: Buffer.from(bytes).toString("base64") };
  assert.deepEqual(fromHistory(event), { type: "image", event_id: "e:1", payload: bytes });
  assert.deepEqual(fromHistory({ type: "chat", payload: { binary: "x" } }), { type: "chat", payload: { binary: "x" } });
});

test("a snapshot is a copy of just what was given", () => {
  const bytes = Uint8Array.of(1, 2, 3, 4);
  const copy = snapshot(bytes.subarray(1, 3));
  bytes.fill(0);
  assert.deepEqual(copy, Uint8Array.of(2, 3));
  assert.deepEqual(snapshot(Uint8Array.of(5).buffer), Uint8Array.of(5));
  assert.deepEqual(snapshot(new Uint16Array([0x0201])), Uint8Array.of(1, 2));
  assert.deepEqual(snapshot({ at: new Date(0), gone: undefined }), { at: "1970-01-01T00:00:00.000Z" });
  assert.equal(snapshot(undefined), undefined);
});

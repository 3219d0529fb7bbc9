// Broken, rude or hostile peers: each gets a clear answer, and no other client notices.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Server, eventually, frame, refusal, turn, upgradeHead, within } from "./harness.mjs";

/** A room with two members, to check that the server still works. */
async function pair(server) {
  const ann = await server.connect("/ws/pair?user=ann");
  const ben = await server.connect("/ws/pair?user=ben");
  let n = 0;
  /** Sends one message in each direction; returns how long that took. */
  return async () => {
    n += 1;
    const start = performance.now();
    ann.send({ type: "hey", room: "pair", payload: n });
    assert.equal((await ben.next({ type: "hey" })).payload, n);
    ben.send({ type: "hoy", room: "pair", payload: n });
    assert.equal((await ann.next({ type: "hoy" })).payload, n);
    return performance.now() - start;
  };
}

/** Writes until the peer has answered or disconnected: it need not read all of it. */
async function pour(raw, chunks) {
  for (const chunk of chunks) {
    if (raw.ended || raw.received.length > 0) return;
    await raw.write(chunk);
    await turn();
  }
}

function* repeated(chunk, times) {
  for (let n = 0; n < times; n += 1) yield chunk;
}

test("input that is not HTTP is answered with 400 and closed", async (t) => {
  const server = await Server.start(t);
  const talk = await pair(server);
  const nonsense = [
    "hello, is this a chat?\r\n\r\n",
    Buffer.from("16030100c5010000c10303deadbeef0d0a0d0a", "hex"),
    Buffer.concat([Buffer.alloc(512, 0xff), Buffer.from("\r\n\r\n")]),
    "GET / HTTP/1.1\r\nno colon here\r\n\r\n",
  ];
  for (const bytes of nonsense) {
    const raw = await server.raw();
    await raw.write(bytes);
    const answer = await raw.answer();
    assert.equal(answer.status, 400, JSON.stringify([bytes.toString("latin1"), answer]));
    await raw.closed();
  }
  await talk();
});

test("a head of 1 MB is answered with 431 and closed", async (t) => {
  const server = await Server.start(t);
  const talk = await pair(server);
  const line = `X-Padding: ${"a".repeat(1011)}\r\n`;
  for (const start of [upgradeHead("/ws/lobby").slice(0, -2), "GET / HTTP/1.1\r\nHost: x\r\n"]) {
    const raw = await server.raw();
    await raw.write(start);
    await pour(raw, repeated(line, 1024));
    const answer = await raw.answer();
    assert.equal(answer.status, 431, JSON.stringify(answer));
    await raw.closed();
  }
  // One line without an end.
  const raw = await server.raw();
  await pour(raw, repeated("G".repeat(1024), 1024));
  const { status } = await raw.answer();
  assert.ok([400, 414, 431].includes(status), `${status}`);
  await raw.closed();
  await talk();
  assert.equal((await server.stats()).reserved, 0);
});

test("a head of one byte a second is cut", async (t) => {
  const server = await Server.start(t);
  const start = performance.now();
  const slow = async (head) => {
    const raw = await server.raw();
    let at = 0;
    const timer = setInterval(() => raw.socket.write(head[(at += 1) % head.length]), 1_000);
    try {
      await raw.write(head[0]);
      await raw.closed(12_000);
    } finally {
      clearInterval(timer);
    }
  };
  const silent = async () => (await server.raw()).closed(12_000);
  await Promise.all([slow(upgradeHead("/ws/lobby")), slow("GET / HTTP/1.1\r\n"), silent()]);
  assert.ok(performance.now() - start > 2_000, "an honest slow start is allowed");
  assert.equal((await server.empty()).reserved, 0);
});

test("a wrong version, key, method or path is refused with its own status", async (t) => {
  const server = await Server.start(t);
  const head = (headers, rest) => upgradeHead("/ws/lobby", { headers, ...rest });
  const refusals = [
    [426, "websocket_version", head({ "Sec-WebSocket-Version": "12" })],
    [426, "websocket_version", head({ "Sec-WebSocket-Version": null })],
    [426, "upgrade_required", head({ Upgrade: null, Connection: null })],
    [426, "upgrade_required", head({ Upgrade: "h2c" })],
    [400, "websocket_key", head({ "Sec-WebSocket-Key": null })],
    [400, "websocket_key", head({ "Sec-WebSocket-Key": "dG9vIHNob3J0" })],
    [400, "websocket_key", head({ "Sec-WebSocket-Key": "!!!!!!!!!!!!!!!!!!!!!!==" })],
    [405, "method_not_allowed", head({}, { method: "POST" })],
    [404, "not_found", upgradeHead("/nowhere")],
  ];
  for (const [status, code, text] of refusals) {
    const raw = await server.raw();
    await raw.write(text);
    const answer = await raw.answer();
    assert.equal(answer.status, status, text + JSON.stringify(answer));
    assert.equal(refusal(answer), code);
    if (status === 426) assert.equal(answer.headers["sec-websocket-version"], "13");
    raw.destroy();
  }
  assert.equal((await server.empty()).total_connections, 0);
});

test("frames that break RFC 6455 close the connection with its code", async (t) => {
  const server = await Server.start(t);
  const talk = await pair(server);
  const text = JSON.stringify({ type: "chat", payload: "x" });
  const broken = [
    [1002, "not masked", frame({ masked: false, payload: text })],
    ...[1, 2, 4].map((reserved) => [1002, `reserved bit ${reserved}`, frame({ reserved, payload: text })]),
    [1002, "a reserved opcode", frame({ opcode: 3, payload: text })],
    [1002, "a reserved control opcode", frame({ opcode: 11 })],
    [1002, "a fragmented ping", frame({ opcode: 9, fin: false })],
    [1002, "a ping over 125 bytes", frame({ opcode: 9, payload: "p".repeat(126) })],
    [1002, "a continuation of nothing", frame({ opcode: 0, payload: text })],
    [1002, "a new message inside one", Buffer.concat([frame({ fin: false, payload: "a" }), frame({ payload: "b" })])],
    [1007, "invalid UTF-8", frame({ payload: Buffer.from([0x22, 0xc3, 0x28, 0x22]) })],
    [1007, "a surrogate in UTF-8", frame({ payload: Buffer.from([0xed, 0xa0, 0x80]) })],
  ];
  for (const [code, what, bytes] of broken) {
    const raw = await server.raw();
    await raw.upgrade("/ws/lobby?user=broken");
    await raw.write(bytes);
    const end = await raw.closeFrame();
    assert.equal(end.code, code, `${what}: ${JSON.stringify(end)}`);
    if (code === 1002) assert.match(end.reason, /^protocol error: ./, what);
    raw.destroy();
  }
  await talk();
  const left = async () => (await server.stats()).total_connections === 2;
  await eventually(() => "only the pair is left", left);
});

test("64 KiB passes, one byte more is closed with 1009 and the limit", async (t) => {
  const server = await Server.start(t);
  const talk = await pair(server);
  const sized = (bytes) => {
    const empty = JSON.stringify({ type: "chat", payload: "" });
    return JSON.stringify({ type: "chat", payload: "x".repeat(bytes - empty.length) });
  };
  const alice = await server.connect("/ws/lobby?user=alice");
  const bob = await server.connect("/ws/lobby?user=bob");
  alice.send(sized(65_536));
  const whole = await bob.next({ type: "chat" });
  assert.equal(whole.payload.length, JSON.parse(sized(65_536)).payload.length);
  alice.send(Buffer.concat([Buffer.from([1, 0, 0, 0, 0, 0, 0, 0]), Buffer.alloc(65_528)]));
  assert.equal((await bob.next({ binary: true })).payload.length, 65_528);

  alice.send(sized(65_537));
  assert.deepEqual(await alice.closed(), { code: 1009, reason: "message over 65536 bytes" });
  const carol = await server.connect("/ws/lobby?user=carol");
  carol.send(Buffer.concat([Buffer.from([1, 0, 0, 0, 0, 0, 0, 0]), Buffer.alloc(65_529)]));
  assert.deepEqual(await carol.closed(), { code: 1009, reason: "message over 65536 bytes" });

  // In fragments, each of which is small.
  const pieces = await (await server.raw()).upgrade("/ws/lobby?user=dora");
  const middle = frame({ fin: false, opcode: 0, payload: Buffer.alloc(1024, 0x20) });
  await pieces.write(frame({ fin: false, payload: "{" }));
  await pour(pieces, repeated(middle, 66));
  assert.deepEqual(await pieces.closeFrame(), { code: 1009, reason: "message over 65536 bytes" });

  // Only the header: the server does not wait for the payload.
  const liar = await (await server.raw()).upgrade("/ws/lobby?user=erin");
  const huge = Buffer.from([0x82, 0xff, 0, 0, 0, 1, 0, 0, 0, 0, 1, 2, 3, 4]);
  await liar.write(huge);
  assert.equal((await liar.closeFrame()).code, 1009);

  await bob.fence("lobby");
  assert.deepEqual(bob.unread({ type: "chat" }), []);
  await talk();
});

test("a million empty fragments end with a close", async (t) => {
  const server = await Server.start(t);
  const talk = await pair(server);
  const memory = server.memory();
  const raw = await (await server.raw()).upgrade("/ws/lobby?user=crumbs");
  await raw.write(frame({ fin: false }));
  const crumb = frame({ fin: false, opcode: 0 });
  const thousand = Buffer.concat([...repeated(crumb, 1000)]);
  const poured = pour(raw, repeated(thousand, 1000));
  const slowest = Math.max(await talk(), await talk(), await talk());
  await poured;
  const end = await raw.closeFrame();
  assert.ok([1008, 1009].includes(end.code), JSON.stringify(end));
  assert.match(end.reason, /./);
  assert.ok(slowest < 2_000, `the others waited ${slowest} ms`);
  assert.ok(server.memory() - memory < 32 * 1024 * 1024);
  await talk();
});

test("messages that make no sense are answered, and the connection stays open", async (t) => {
  const server = await Server.start(t, "[limits]\nmessages_per_second = 0\n");
  const alice = await server.connect("/ws/lobby?user=alice");
  const bad = [
    ["bad_message", undefined, '["type","chat"]'],
    ["bad_message", undefined, '"chat"'],
    ["bad_message", undefined, "17"],
    ["bad_message", undefined, "null"],
    ["bad_message", undefined, ""],
    ["bad_message", undefined, "hello"],
    ["bad_message", undefined, '{"type":"chat"'],
    ["bad_message", undefined, "[".repeat(60_000)],
    ["invalid_field", "type", "{}"],
    ["invalid_field", "type", '{"payload":{"text":"no type"}}'],
    ["invalid_field", "room", JSON.stringify({ type: "join", room: "r".repeat(10_240) })],
    ["invalid_field", "room", JSON.stringify({ type: "chat", room: "r".repeat(10_240), payload: 1 })],
  ];
  for (const [code, field, text] of bad) {
    alice.send(text);
    const error = await alice.next({ type: "error" });
    assert.deepEqual([error.code, error.field], [code, field], `${text.slice(0, 80)}: ${JSON.stringify(error)}`);
    assert.ok(error.message.length < 500, "an answer does not repeat the nonsense");
    assert.equal((await alice.ask({ type: "chat", payload: "still here" })).type, "ack");
  }
  // Such a name in the address is refused before the upgrade.
  const long = await server.dial(`/ws/${"r".repeat(200)}?user=bob`).outcome();
  assert.equal(long.refused?.status, 400, JSON.stringify(long));
});

test("a flood of 200,000 messages is slowed, then closed, and others are not affected", async (t) => {
  const server = await Server.start(t, "[limits]\nrate_limit_strikes = 50\n");
  const talk = await pair(server);
  await talk();
  const memory = server.memory();
  const text = JSON.stringify({ type: "spam", payload: "x" });

  // One that obeys the close, and one that ignores it.
  const polite = await server.connect("/ws/pair?user=polite");
  const deaf = await (await server.raw()).upgrade("/ws/pair?user=deaf");
  const flood = async () => {
    for (let n = 0; n < 200_000 && polite.open; n += 1) {
      polite.send(text);
      if (n % 1000 === 999) await turn();
    }
  };
  const thousand = Buffer.concat([...repeated(frame({ payload: text }), 1000)]);
  const deafFlood = async () => {
    for (let n = 0; n < 200 && !deaf.ended; n += 1) {
      await deaf.write(thousand);
      await turn();
    }
  };
  const trips = [];
  const chat = async () => {
    for (let n = 0; n < 10; n += 1) trips.push(await talk());
  };
  await within(60_000, "the floods and a talk beside them", Promise.all([flood(), deafFlood(), chat()]));

  assert.deepEqual(await polite.closed(30_000), { code: 4029, reason: "rate_limited" });
  const errors = polite.unread({ type: "error" });
  assert.ok(errors.length > 0, "a warning before the close");
  assert.deepEqual([...new Set(errors.map((error) => error.code))], ["rate_limited"]);
  assert.deepEqual(await deaf.closeFrame(30_000), { code: 4029, reason: "rate_limited" });

  assert.ok(Math.max(...trips) < 2_000, `the others waited ${Math.max(...trips)} ms`);
  assert.ok(server.memory() - memory < 32 * 1024 * 1024);
  await talk();
  const left = async () => (await server.stats()).total_connections === 2;
  await eventually(() => "only the pair is left", left, 30_000);
});

test("10,000 connections that come and vanish leave nothing behind", async (t) => {
  const server = await Server.start(t);
  const warm = await server.connect("/ws/lobby?user=warm");
  await warm.close();
  await server.empty();
  const descriptors = server.descriptors();

  const head = upgradeHead("/ws/lobby");
  const kinds = [
    async () => {},
    (raw) => raw.write(head.slice(0, 40)),
    (raw) => raw.write(head),
    async (raw) => {
      await raw.write(head);
      // Any of these outcomes: admitted, full, or too many at once.
      await raw.answer();
    },
  ];
  const vanish = async (n) => {
    const raw = await server.raw();
    await kinds[n % kinds.length](raw);
    if (n % 8 < 4) raw.destroy();
    else raw.socket.resetAndDestroy();
    await raw.gone;
  };
  const run = async () => {
    for (let n = 0; n < 10_000; n += 100) {
      await Promise.all(Array.from({ length: 100 }, (_, i) => vanish(n + i)));
    }
  };
  await within(120_000, "10,000 connections came and vanished", run());

  const stats = await server.empty(20_000);
  assert.equal(stats.active_lobbies, 0, JSON.stringify(stats));
  let now;
  const seen = () => `${now} descriptors are open, ${descriptors} at the start`;
  await eventually(seen, () => (now = server.descriptors()) <= descriptors);
  const talk = await pair(server);
  await talk();
});

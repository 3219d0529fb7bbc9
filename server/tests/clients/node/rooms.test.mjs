// Rooms, presence and messages, as clients of the `ws` package see them.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Server, encodeBinary, position } from "./harness.mjs";

const OPEN = `
[limits]
max_connections = 100
max_per_room = 50
max_per_user = 10
messages_per_second = 0
outbox_bytes = 16777216
outbox_messages = 65536
[rooms.""]
presence_grace = "50ms"
[rooms."quiet:"]
echo = false
[rooms."board:"]
publish = "server"
[rooms."grace:"]
presence = true
presence_grace = "300ms"
`;

test("connected comes first and says what the client needs to know", async (t) => {
  const server = await Server.start(t, OPEN);
  const alice = await server.connect("/ws/lobby?user=alice");
  const { hello } = alice;
  assert.equal(hello.user, "alice");
  assert.match(hello.client_id, /./);
  assert.equal(hello.rooms.length, 1);
  assert.equal(hello.rooms[0].room, "lobby");
  assert.equal(position(hello.rooms[0].position).offset, 0);
  assert.equal(hello.limits.max_message_bytes, 65536);
  assert.ok(hello.heartbeat.interval_ms > 0 && hello.heartbeat.stale_after_ms > hello.heartbeat.interval_ms);
  assert.ok(Math.abs(hello.timestamp - Date.now()) < 60_000, "milliseconds since 1970");

  const nowhere = await server.connect("/ws?user=bob");
  assert.deepEqual(nowhere.hello.rooms, []);
  const nameless = await server.connect("/ws");
  assert.match(nameless.hello.user, /./, "a name is made up");

  const spaced = await server.connect("/ws/caf%C3%A9%20%2F%201?user=zo%C3%AB");
  assert.equal(spaced.hello.rooms[0].room, "café / 1");
  assert.equal(spaced.hello.user, "zoë");
});

test("join and leave, and what a room's member may do", async (t) => {
  const server = await Server.start(t, OPEN);
  const alice = await server.connect("/ws?user=alice");
  const bob = await server.connect("/ws/lobby?user=bob");

  const joined = await alice.join("lobby");
  assert.equal(joined.room, "lobby");
  assert.equal(joined.members, 2);
  assert.equal(position(joined.position).offset, 0);
  assert.equal((await bob.next({ type: "member_joined" })).user, "alice");

  const again = await alice.join("lobby");
  assert.equal(again.members, 2, "joining twice changes nothing");
  await bob.fence("lobby");
  assert.deepEqual(bob.unread({ type: "member_joined" }), []);

  // A client in one room need not name it.
  const ack = await alice.ask({ type: "chat", payload: { text: "hello" } });
  assert.equal(ack.type, "ack");
  const heard = await bob.next({ type: "chat" });
  assert.deepEqual(heard.payload, { text: "hello" });
  assert.deepEqual([heard.room, heard.from, heard.id, heard.event_id], ["lobby", "alice", ack.id, ack.event_id]);
  assert.equal(position(heard.event_id).offset, 1);
  assert.equal((await alice.next({ type: "chat" })).event_id, ack.event_id, "and the sender gets it too");

  // A client in two rooms must.
  await alice.join("den");
  const vague = await alice.ask({ type: "chat", payload: 1 });
  assert.deepEqual([vague.type, vague.code], ["error", "room_required"]);

  const left = await alice.ask({ type: "leave", room: "lobby" });
  assert.deepEqual([left.type, left.room], ["left", "lobby"]);
  assert.equal((await bob.next({ type: "member_left" })).user, "alice");
  const outside = await alice.ask({ type: "chat", room: "lobby", payload: 1 });
  assert.deepEqual([outside.type, outside.code], ["error", "not_a_member"]);
  const inside = await alice.ask({ type: "chat", payload: 2 });
  assert.equal(inside.type, "ack", "leaving a room is not disconnecting");

  const missed = await bob.ask({ type: "chat", payload: "afterwards" });
  assert.equal(position(missed.event_id).offset, 2, "a refused message has no number");
  await alice.fence("den");
  assert.deepEqual(alice.unread({ type: "chat", room: "lobby" }), [], "who left hears nothing");
});

test("ten clients send 200 messages each: everybody gets each once, in one order", async (t) => {
  const [clients, each] = [10, 200];
  const server = await Server.start(t, OPEN);
  const everyone = await Promise.all(
    Array.from({ length: clients }, (_, n) => server.connect(`/ws/crowd?user=user${n}`)),
  );
  for (const client of everyone) {
    for (let n = 0; n < each; n += 1) client.send({ type: "chat", id: `m${n}`, payload: { n } });
  }
  const views = await Promise.all(
    everyone.map((client) => client.take(clients * each, (message) => message.type === "chat", 60_000)),
  );

  const [first] = views;
  const { epoch } = position(first[0].event_id);
  first.forEach((message, at) => {
    assert.deepEqual(position(message.event_id), { epoch, offset: at + 1 }, "offsets run from 1 without holes");
  });
  for (const view of views) {
    const same = view.every((message, at) => {
      const other = first[at];
      return message.event_id === other.event_id && message.from === other.from && message.payload.n === other.payload.n;
    });
    assert.ok(same, "all members see the same order");
  }
  for (let n = 0; n < clients; n += 1) {
    const own = first.filter((message) => message.from === `user${n}`);
    assert.deepEqual(own.map((message) => message.payload.n), Array.from({ length: each }, (_, at) => at));
    // Each id was acknowledged once, with the position at which everyone saw it.
    const acks = everyone[n].unread({ type: "ack" });
    if (acks.length < each) acks.push(...(await everyone[n].take(each - acks.length, (m) => m.type === "ack")));
    assert.deepEqual(
      new Map(acks.map((ack) => [ack.id, ack.event_id])),
      new Map(own.map((message) => [message.id, message.event_id])),
    );
    await everyone[n].fence("crowd");
    assert.deepEqual(everyone[n].unread({ type: "chat" }), [], "and nothing twice");
    assert.deepEqual(everyone[n].unread({ type: "ack" }), []);
  }
});

test("a direct message reaches every tab of its user, and nobody else", async (t) => {
  const server = await Server.start(t, OPEN);
  const alice = await server.connect("/ws/a?user=alice");
  const tabs = await Promise.all(["/ws/b", "/ws/c", "/ws"].map((path) => server.connect(`${path}?user=bob`)));
  const carol = await server.connect("/ws/b?user=carol");

  const ack = await alice.ask({ type: "direct", to: "bob", payload: { text: "psst" } });
  assert.equal(ack.type, "ack");
  assert.equal(ack.event_id, undefined, "it is no publication");
  for (const tab of tabs) {
    const message = await tab.next({ type: "direct" });
    assert.deepEqual([message.from, message.id, message.payload], ["alice", ack.id, { text: "psst" }]);
    assert.equal(typeof message.timestamp, "number");
  }
  await carol.fence("b");
  assert.deepEqual(carol.unread({ type: "direct" }), []);

  await tabs[0].close();
  assert.equal((await alice.ask({ type: "direct", to: "bob", payload: 2 })).type, "ack");
  for (const tab of tabs.slice(1)) assert.equal((await tab.next({ type: "direct" })).payload, 2);

  const nobody = await alice.ask({ type: "direct", to: "dora", payload: 3 });
  assert.deepEqual([nobody.type, nobody.code], ["error", "user_offline"]);
});

test("members names each user once", async (t) => {
  const server = await Server.start(t, OPEN);
  const alice = await server.connect("/ws/lobby?user=alice");
  await server.connect("/ws/lobby?user=bob");
  await server.connect("/ws/lobby?user=bob");
  await server.connect("/ws/elsewhere?user=carol");
  const answer = await alice.ask({ type: "members", room: "lobby" });
  assert.equal(answer.type, "members");
  assert.deepEqual([...answer.members].sort(), ["alice", "bob"]);
  assert.equal(answer.total, 2);
});

test("presence is about users: tabs and blips make no notices", async (t) => {
  const server = await Server.start(t, OPEN);
  const watcher = await server.connect("/ws/grace:hall?user=watcher");
  // The leave of a passer-by, one grace period later, marks how far the watcher has read.
  const passerBy = async (user) => {
    const client = await server.connect(`/ws/grace:hall?user=${user}`);
    await watcher.next({ type: "member_joined", user });
    await client.close();
    await watcher.next({ type: "member_left", user });
  };

  const first = await server.connect("/ws/grace:hall?user=bob");
  await watcher.next({ type: "member_joined", user: "bob" });
  const second = await server.connect("/ws/grace:hall?user=bob");
  await watcher.fence("grace:hall");
  assert.deepEqual(watcher.unread({ user: "bob" }), [], "a second tab is no news");

  await first.close();
  await passerBy("carol");
  assert.deepEqual(watcher.unread({ user: "bob" }), [], "one tab is still there");

  await second.close();
  const third = await server.connect("/ws/grace:hall?user=bob");
  await passerBy("dora");
  assert.deepEqual(watcher.unread({ user: "bob" }), [], "who returns within the grace time was never away");

  const closed = performance.now();
  await third.close();
  await watcher.next({ type: "member_left", user: "bob" });
  assert.ok(performance.now() - closed >= 290, "not before the grace time");
  await passerBy("erin");
  assert.deepEqual(watcher.unread({ user: "bob" }), [], "exactly one member_left");

  // By a leave message, not only by closing.
  const again = await server.connect("/ws/grace:hall?user=bob");
  await watcher.next({ type: "member_joined", user: "bob" });
  await again.ask({ type: "leave", room: "grace:hall" });
  await watcher.next({ type: "member_left", user: "bob" });
});

test("binary frames arrive with exactly the bytes that were sent", async (t) => {
  const server = await Server.start(t, OPEN);
  const alice = await server.connect("/ws/lobby?user=alice");
  const bob = await server.connect("/ws/lobby?user=bob");

  // Every byte value, and all sizes at which the frame's length field changes.
  const every = Buffer.from(Array.from({ length: 256 }, (_, n) => n));
  const payloads = [Buffer.alloc(0), every, Buffer.alloc(60_000, every)];
  for (const [at, payload] of payloads.entries()) {
    alice.send(encodeBinary({ to: "lobby", type: "image", id: `i${at}`, payload }));
    for (const member of [alice, bob]) {
      const got = await member.next({ binary: true });
      assert.deepEqual([got.kind, got.room, got.type, got.id, got.from], [128, "lobby", "image", `i${at}`, "alice"]);
      assert.equal(got.offset, at + 1);
      assert.ok(got.payload.equals(payload), "the payload is untouched");
    }
    const ack = await alice.next({ type: "ack", id: `i${at}` });
    assert.equal(position(ack.event_id).offset, at + 1, "text and binary are numbered together");
  }

  // The example in PROTOCOL.md.
  alice.send(Buffer.from("01000505010000006c6f626279696d61676539ffd8", "hex"));
  const got = await bob.next({ binary: true });
  assert.deepEqual([got.room, got.type, got.id, got.from], ["lobby", "image", "9", "alice"]);
  assert.equal(got.payload.toString("hex"), "ffd8");
  assert.equal(got.epoch, position(bob.hello.rooms[0].position).epoch);
  assert.ok(Math.abs(got.timestamp - Date.now()) < 60_000);

  // Without a room: the only one. Without a type: `binary`.
  alice.send(encodeBinary({ payload: Buffer.from("x") }));
  const bare = await bob.next({ binary: true });
  assert.deepEqual([bare.room, bare.type, bare.id], ["lobby", "binary", ""]);

  alice.send(encodeBinary({ kind: 1, to: "bob", type: "file", payload: every }));
  const direct = await bob.next({ binary: true, kind: 129 });
  assert.deepEqual([direct.type, direct.from, direct.offset], ["file", "alice", 0]);
  assert.ok(direct.payload.equals(every));

  for (const bad of [Buffer.from([1]), Buffer.from([9, 0, 0, 0, 0, 0, 0, 0]), Buffer.from([1, 0, 200, 0, 0, 0, 0, 0])]) {
    alice.send(bad);
    assert.equal((await alice.next({ type: "error" })).code, "bad_message", bad.toString("hex"));
  }
  assert.equal((await alice.ask({ type: "chat", payload: 1 })).type, "ack", "the connection stays");
});

test("a room without echo leaves the sender out", async (t) => {
  const server = await Server.start(t, OPEN);
  const alice = await server.connect("/ws/quiet:1?user=alice");
  const tab = await server.connect("/ws/quiet:1?user=alice");
  const bob = await server.connect("/ws/quiet:1?user=bob");
  const ack = await alice.ask({ type: "chat", payload: "to the others" });
  assert.equal((await bob.next({ type: "chat" })).event_id, ack.event_id);
  assert.equal((await tab.next({ type: "chat" })).event_id, ack.event_id, "the sender is a connection, not a user");
  alice.send(encodeBinary({ payload: Buffer.from("x") }));
  await bob.next({ binary: true });
  await alice.fence("quiet:1");
  assert.deepEqual(alice.unread({ type: "chat" }), []);
  assert.deepEqual(alice.unread({ binary: true }), []);
});

test("in a room where only the server publishes, a member listens", async (t) => {
  const server = await Server.start(t, OPEN);
  const alice = await server.connect("/ws/board:1?user=alice");
  const refused = await alice.ask({ type: "chat", room: "board:1", payload: 1 });
  assert.deepEqual([refused.type, refused.code], ["error", "forbidden"]);
  assert.equal((await alice.fence("board:1")).total, 1, "and may ask who else does");
  const { position: at } = await alice.join("board:1");
  assert.equal(position(at).offset, 0, "nothing was published");
});

test("the envelope with event and data says the same as the one with type and payload", async (t) => {
  const server = await Server.start(t, OPEN);
  const alice = await server.connect("/ws/ch_1?user=alice");
  const bob = await server.connect("/ws/ch_1?user=bob");
  const data = { channelId: "ch_1", content: "Hello" };
  alice.send({ event: "message.send", data, id: "client-uuid" });
  const ack = await alice.next({ type: "ack" });
  assert.equal(ack.id, "client-uuid");
  const heard = await bob.next({ type: "message.send" });
  assert.deepEqual([heard.payload, heard.id, heard.event_id], [data, "client-uuid", ack.event_id]);

  // Byte for byte: numbers, spaces and the order of keys stay as they are.
  const odd = '{"z":1.0, "a":12345678901234567890,"é":"\\u00e9"}';
  const raw = new Promise((resolve) => bob.socket.once("message", (text) => resolve(text.toString())));
  alice.send(`{"type":"chat","payload":${odd}}`);
  assert.ok((await raw).includes(`"payload":${odd}`));
});

test("every id gets its own answer, and an error names the field", async (t) => {
  const server = await Server.start(t, OPEN);
  const alice = await server.connect("/ws/lobby?user=alice");
  const ids = Array.from({ length: 50 }, (_, n) => `${n}-é`);
  for (const id of ids) alice.send({ type: "chat", id, payload: id });
  const acks = await alice.take(ids.length, (message) => message.type === "ack");
  assert.deepEqual(acks.map((ack) => ack.id), ids);
  alice.send({ type: "chat", payload: "without an id there is no ack" });
  await alice.fence("lobby");
  assert.deepEqual(alice.unread({ type: "ack" }), []);

  const wrong = [
    ["type", { payload: 1 }],
    ["type", { type: 7 }],
    ["type", { type: "" }],
    ["type", { type: "t".repeat(65) }],
    ["id", { type: "chat", id: 7 }],
    ["id", { type: "chat", id: "i".repeat(65) }],
    ["room", { type: "join" }],
    ["room", { type: "join", room: "" }],
    ["room", { type: "join", room: "a\nb" }],
    ["room", { type: "join", room: "é".repeat(65) }],
    ["room", { type: "chat", room: ["lobby"] }],
    ["to", { type: "direct", payload: 1 }],
    ["to", { type: "direct", to: 5, payload: 1 }],
    ["key", { type: "chat", key: "k".repeat(65) }],
    ["timestamp", { type: "health_ping", timestamp: "now" }],
  ];
  for (const [field, message] of wrong) {
    alice.send(message);
    const error = await alice.next({ type: "error" });
    assert.deepEqual([error.code, error.field], ["invalid_field", field], JSON.stringify([message, error]).slice(0, 400));
    assert.match(error.message, /./);
  }
  for (const type of ["joined", "ack", "error", "connected", "refresh"]) {
    const error = await alice.ask({ type, payload: 1 });
    assert.deepEqual([error.type, error.code], ["error", "reserved_type"], type);
  }
  alice.send({ type: "health_ping", timestamp: 1790000000000.5 });
  assert.equal((await alice.next({ type: "health_pong" })).timestamp, 1790000000000.5);
  assert.equal((await alice.ask({ type: "chat", room: "lobby", payload: null, unheard_of: true })).type, "ack");
});

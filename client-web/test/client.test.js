// The shell around the machine, with real sockets.

import assert from "node:assert/strict";
import { test } from "node:test";
import { WebSocket } from "ws";

import { Client, eventually, FakeServer, next, SwitchboardError } from "./library.js";

function connect(t, server, options = {}) {
  const client = new Client(server.url, { WebSocket, user: "alice", min_backoff_ms: 20, max_backoff_ms: 40, ...options });
  t.after(() => client.close());
  client.connect();
  return client;
}

const turn = () => new Promise((resolve) => setImmediate(resolve));
const fails = (code) => (error) => error instanceof SwitchboardError && error.code === code;

test("join, talk, ask and leave", async (t) => {
  const server = await FakeServer.start(t);
  const client = connect(t, server);
  const room = client.room("lobby");
  assert.equal(client.room("lobby"), room);
  const seen = [];
  const off = room.on("message", (message) => seen.push(message));
  const joined = next(room, "joined");
  assert.deepEqual({ ...(await room.join()) }, { position: "00c9f1b2a4d07e35:0", recovered: undefined });
  assert.equal((await joined).position, "00c9f1b2a4d07e35:0");
  assert.equal(room.joined, true);
  assert.equal(client.state, "open");
  assert.equal(client.greeting.user, "alice");

  const sent = await room.send("chat", { text: "hi" }, { key: "k" });
  assert.equal(sent.event_id, "00c9f1b2a4d07e35:1");
  assert.equal(server.received.at(-1).key, "k");
  assert.deepEqual(seen.map(({ type, from, payload, own }) => ({ type, from, payload, own })), [
    { type: "chat", from: "alice", payload: { text: "hi" }, own: true },
  ]);
  server.publish("lobby", { type: "chat", from: "bob", id: "x-1", payload: 2 });
  await eventually("the second message", () => seen.length === 2);
  assert.equal(seen[1].own, false);

  assert.deepEqual(await room.members(), { members: ["alice"], total: 1 });
  const { events, more, position } = await room.history({ since: "00c9f1b2a4d07e35:1", limit: 10 });
  assert.deepEqual(events.map(({ room, payload }) => [room, payload]), [["lobby", 2]]);
  assert.deepEqual([more, position], [false, "00c9f1b2a4d07e35:2"]);
  assert.equal(await client.request("add", { a: 1, b: 2 }, { room: "lobby" }), 3);

  off();
  server.publish("lobby", { type: "chat", from: "bob" });
  const left = next(room, "left");
  await room.leave();
  assert.deepEqual(await left, {});
  assert.equal(room.joined, false);
  assert.equal(seen.length, 2);
});

test("what is said before the connection is there waits for it, in order", async (t) => {
  const server = await FakeServer.start(t);
  const client = new Client(server.url, { WebSocket });
  t.after(() => client.close());
  const room = client.room("lobby");
  const all = [room.join(), room.send("chat", 1), room.send("chat", 2), client.request("add", { a: 1, b: 1 }, { timeout: 9_000 })];
  client.connect();
  const results = await Promise.all(all);
  assert.deepEqual(results.slice(1, 3).map(({ event_id }) => event_id.split(":")[1]), ["1", "2"]);
  assert.equal(results[3], 2);
  assert.deepEqual(server.received.map(({ type }) => type), ["resume", "chat", "chat", "add"]);
});

test("bytes travel as bytes, both ways", async (t) => {
  const server = await FakeServer.start(t);
  const client = connect(t, server);
  const room = client.room("größe");
  await room.join();
  const buffer = new Uint8Array([1, 2, 255]);
  const sent = [room.send("image", buffer), room.send("image", buffer.buffer), room.send("image", new DataView(buffer.buffer, 1)), room.send("image", new Blob([buffer]))];
  buffer.fill(0);
  await Promise.all(sent.slice(0, 3));
  await sent[3];
  assert.deepEqual(server.received.slice(1).map(({ payload }) => payload.bytes), [[1, 2, 255], [1, 2, 255], [2, 255], [1, 2, 255]]);
  assert.deepEqual([server.received.at(-1).room, server.received.at(-1).type], ["größe", "image"]);
  await client.direct("bob", new Uint8Array([7]));
  assert.deepEqual([server.received.at(-1).to, server.received.at(-1).payload.bytes], ["bob", [7]]);

  // The example of PROTOCOL.md. What belongs to a room that is not entered is ignored.
  await client.room("lobby").join();
  const frame = "01800505010500 00 00c9f1b2a4d07e35 000000000000002a 000001a0c4506c00 6c6f626279 696d616765 39 616c696365 ffd8";
  const got = next(client.room("lobby"), "message");
  server.send(Buffer.from(frame.replaceAll(" ", ""), "hex"));
  const { payload, ...rest } = await got;
  assert.deepEqual([...payload], [0xff, 0xd8]);
  assert.deepEqual(rest, { type: "image", room: "lobby", id: "9", from: "alice", event_id: "00c9f1b2a4d07e35:42", timestamp: 1790000000000, own: false });

  await assert.rejects(room.send("t".repeat(300), new Uint8Array(1)), RangeError);
  await assert.rejects(room.send("chat", 1n), TypeError);
});

test("the payload is what it was at the call", async (t) => {
  const server = await FakeServer.start(t);
  const client = new Client(server.url, { WebSocket });
  t.after(() => client.close());
  const payload = { text: "now" };
  const sent = client.room("lobby").send("chat", payload);
  payload.text = "later";
  client.connect();
  await sent;
  assert.deepEqual(server.received[0].payload, { text: "now" });
});

test("after a loss the rooms are resumed, and what was missed comes once and in order", async (t) => {
  const server = await FakeServer.start(t);
  const client = connect(t, server);
  const room = client.room("lobby");
  const offsets = [];
  room.on("message", ({ event_id }) => offsets.push(Number(event_id.split(":")[1])));
  await room.join();
  server.publish("lobby", { type: "chat" });
  await eventually("the first message", () => offsets.length === 1);
  const waiting = next(client, "state", ({ state }) => state === "waiting");
  const again = next(room, "joined");
  server.cut();
  assert.ok((await waiting).retry_in_ms <= 20);
  assert.equal(room.joined, false);
  server.publish("lobby", { type: "chat" });
  server.publish("lobby", { type: "chat" });
  assert.equal((await again).recovered, true);
  await eventually("all three", () => offsets.length === 3);
  assert.deepEqual(offsets, [1, 2, 3]);
  assert.match(server.dialled[1].url, /session=5be0cd19137e2179/);
  assert.deepEqual(server.received.at(-1), { type: "resume", rooms: [{ room: "lobby", last_event_id: "00c9f1b2a4d07e35:1" }] });
});

test("another epoch is told as a refresh, and a room that is full now as left", async (t) => {
  const server = await FakeServer.start(t);
  const client = connect(t, server);
  const [lobby, news] = [client.room("lobby"), client.room("news")];
  await Promise.all([lobby.join(), news.join()]);
  server.room("lobby").epoch = "1111111111111111";
  server.room("news").refuses = { code: "lobby_full", message: "full" };
  const refresh = next(lobby, "refresh");
  const left = next(news, "left");
  server.cut();
  assert.equal((await refresh).reason, "unknown_epoch");
  assert.deepEqual(await left, { code: "lobby_full", message: "full" });
  await assert.rejects(news.join(), fails("lobby_full"));
});

test("a message that was cut off before its answer is sent again and published once", async (t) => {
  const server = await FakeServer.start(t);
  const client = connect(t, server);
  const room = client.room("lobby");
  await room.join();
  // The server takes the message, and the connection ends before the ack is read.
  server.handles = (message) => {
    if (message.type === "chat") {
      server.handles = () => true;
      server.cut();
    }
    return true;
  };
  const { event_id } = await room.send("chat", "once");
  assert.equal(event_id, "00c9f1b2a4d07e35:1");
  assert.equal(server.room("lobby").log.length, 1);
  const ids = server.received.filter(({ type }) => type === "chat").map(({ id }) => id);
  assert.equal(ids.length, 2);
  assert.equal(ids[0], ids[1]);
});

test("a request that was cut off is an error, because nobody knows whether it was carried out", async (t) => {
  const server = await FakeServer.start(t);
  const client = connect(t, server);
  server.handles = ({ type }) => type !== "add";
  const request = client.request("add", { a: 1, b: 1 });
  const failed = assert.rejects(request, fails("disconnected"));
  await eventually("the request", () => server.received.some(({ type }) => type === "add"));
  server.cut();
  await failed;
  server.handles = () => false;
  await assert.rejects(client.request("add", {}, { timeout: 5 }), fails("timeout"));
});

test("signals abort whatever waits", async (t) => {
  const server = await FakeServer.start(t);
  server.handles = () => false;
  const client = connect(t, server);
  const room = client.room("lobby");
  const { signal } = new AbortController();
  await assert.rejects(room.send("chat", 1, { signal: AbortSignal.abort() }), { name: "AbortError" });
  const controller = new AbortController();
  const options = { signal: controller.signal };
  const all = [room.join(options), room.send("chat", 1, options), room.members(options), room.history(options), client.request("add", {}, options), client.direct("bob", 1, options)];
  const outcomes = Promise.allSettled(all);
  await eventually("the connection", () => client.state === "open");
  controller.abort(new Error("enough"));
  for (const { status, reason } of await outcomes) {
    assert.equal(status, "rejected");
    assert.equal(reason.message, "enough");
  }
  assert.equal(signal.aborted, false);
});

test("close fails what is open, and a client that was closed for good says so", async (t) => {
  const server = await FakeServer.start(t);
  server.handles = ({ type }) => type !== "chat";
  const client = connect(t, server);
  const room = client.room("lobby");
  await room.join();
  const sent = assert.rejects(room.send("chat", 1), fails("stopped"));
  client.close();
  await sent;
  assert.equal(client.state, "idle");
  await eventually("the close", () => server.connections.size === 0);

  server.accept = () => 4003;
  const closed = next(client, "state", ({ state }) => state === "closed");
  client.connect();
  assert.deepEqual(await closed, { state: "closed", code: 4003, reason: "refused" });
  await assert.rejects(room.join(), fails("closed"));
  server.accept = () => undefined;
  client.connect();
  await room.join();
});

test("a token goes as a subprotocol; it is asked for again when it is refused, once", async (t) => {
  const server = await FakeServer.start(t);
  const tokens = ["old", "new"];
  server.accept = (count) => (count === 1 ? 4001 : undefined);
  const client = connect(t, server, { token: async () => tokens.shift() });
  await next(client, "state", ({ state }) => state === "open");
  assert.deepEqual(server.dialled.map(({ protocols }) => protocols), [["switchboard", "bearer.old"], ["switchboard", "bearer.new"]]);
  assert.ok(server.dialled.every(({ url }) => !url.includes("old") && !url.includes("new")));
});

test("a token that cannot be had counts as a failure, one that cannot be sent ends it", async (t) => {
  const server = await FakeServer.start(t);
  let calls = 0;
  const client = connect(t, server, {
    token: async () => {
      await turn();
      calls += 1;
      if (calls === 1) {
        throw new Error("no token today");
      }
      return "good";
    },
  });
  assert.match((await next(client, "state", ({ state }) => state === "waiting")).reason, /no token today/);
  await next(client, "state", ({ state }) => state === "open");
  assert.equal(calls, 2);

  const other = new Client(server.url, { WebSocket, token: "a b" });
  const closed = next(other, "state", ({ state }) => state === "closed");
  other.connect();
  const { code, reason } = await closed;
  assert.equal(code, 4001);
  assert.match(reason, /SyntaxError/);
});

test("the server's requests are answered, with an error where there is no answer", async (t) => {
  const server = await FakeServer.start(t);
  const client = connect(t, server);
  const errors = [];
  client.on("error", (error) => errors.push(error.message));
  const off = client.onRequest("confirm", async ({ text }) => ({ yes: text }));
  client.onRequest("busy", () => {
    throw new SwitchboardError("busy", "not now");
  });
  client.onRequest("broken", () => {
    throw new Error("oops");
  });
  client.onRequest("nothing", () => {});
  await next(client, "state", ({ state }) => state === "open");
  const ask = async (id, method) => {
    server.send({ type: "request", id, method, payload: { text: "sure?" } });
    const { type: _, ...reply } = await eventually(`the reply to ${method}`, () => server.received.find((one) => one.type === "reply" && one.id === id));
    return reply;
  };
  assert.deepEqual(await ask("s1", "confirm"), { id: "s1", payload: { yes: "sure?" } });
  assert.deepEqual(await ask("s2", "busy"), { id: "s2", error: { code: "busy", message: "not now" } });
  assert.deepEqual(await ask("s3", "broken"), { id: "s3", error: { code: "internal", message: "oops" } });
  assert.deepEqual(await ask("s4", "nothing"), { id: "s4", payload: null });
  off();
  assert.deepEqual(await ask("s5", "confirm"), { id: "s5", error: { code: "unknown_method", message: "confirm" } });
  assert.deepEqual(errors, ["oops"]);
});

test("direct messages, members, gaps and the drain are told", async (t) => {
  const server = await FakeServer.start(t);
  const client = connect(t, server);
  const room = client.room("lobby");
  await room.join();
  const direct = next(client, "direct");
  await client.direct("alice", { text: "psst" });
  assert.deepEqual((await direct).payload, { text: "psst" });
  const events = {
    member_joined: { type: "member_joined", room: "lobby", user: "bob" },
    member_left: { type: "member_left", room: "lobby", user: "bob" },
    gap: { type: "gap", room: "lobby", since: "00c9f1b2a4d07e35:0", position: "00c9f1b2a4d07e35:3", dropped: 3 },
  };
  for (const [name, event] of Object.entries(events)) {
    const told = next(room, name);
    server.send(event);
    assert.deepEqual(await told, event);
  }
  const draining = next(client, "draining");
  const waiting = next(client, "state", ({ state }) => state === "waiting");
  server.send({ type: "draining", retry_after_ms: 60_000 });
  assert.equal((await draining).retry_after_ms, 60_000);
  server.close(1001, "draining");
  assert.deepEqual(await waiting, { state: "waiting", retry_in_ms: 60_000, code: 1001, reason: "draining" });
  const open = next(client, "state", ({ state }) => state === "open");
  client.connect();
  await open;
});

test("a listener that fails, and what cannot be read, break nothing", async (t) => {
  const server = await FakeServer.start(t);
  const client = connect(t, server);
  const logged = t.mock.method(console, "error", () => {});
  const room = client.room("lobby");
  const seen = [];
  room.on("message", () => {
    throw new Error("listener");
  });
  room.on("message", ({ payload }) => seen.push(payload));
  await room.join();
  server.publish("lobby", { type: "chat", payload: 1 });
  await eventually("the message", () => seen.length === 1);
  assert.equal(logged.mock.callCount(), 1);

  const errors = [];
  client.on("error", (error) => {
    errors.push(error);
    throw new Error("worse");
  });
  for (const bad of ["{", "null", "[]", '{"type":1}', Buffer.from([1, 2]), Buffer.alloc(40, 1)]) {
    server.send(bad);
  }
  server.publish("lobby", { type: "chat", payload: 2 });
  await eventually("the message after", () => seen.includes(2));
  assert.equal(errors.filter(({ code }) => code === "unreadable").length, 6);
  assert.equal(errors.length, 7);
  assert.equal(logged.mock.callCount(), 1 + 7);
  assert.equal(client.state, "open");
});

test("a listener may call the client, and what it sends goes out after what is due", async (t) => {
  const server = await FakeServer.start(t);
  const client = new Client(server.url, { WebSocket });
  t.after(() => client.close());
  const room = client.room("lobby");
  const sent = new Promise((resolve, reject) => {
    client.on("state", ({ state }) => state === "open" && room.send("chat", "second").then(resolve, reject));
  });
  const joined = room.join();
  client.connect();
  await Promise.all([joined, sent]);
  assert.deepEqual(server.received.map(({ type }) => type), ["resume", "chat"]);
});

test("the messages of a room can be iterated over, until it is left", async (t) => {
  const server = await FakeServer.start(t);
  const client = connect(t, server);
  const room = client.room("lobby");
  const messages = room.messages();
  await room.join();
  for (const payload of [1, 2, 3]) {
    server.publish("lobby", { type: "chat", payload });
  }
  const seen = [];
  for await (const { payload } of messages) {
    seen.push(payload);
    if (payload === 3) {
      void room.leave();
    }
  }
  assert.deepEqual(seen, [1, 2, 3]);

  await room.join();
  const first = (async () => {
    for await (const { payload } of room) {
      return payload;
    }
  })();
  server.publish("lobby", { type: "chat", payload: 4 });
  assert.equal(await first, 4);
});

test("an iteration ends with the client, with its signal, and with an error when it is too slow", async (t) => {
  const server = await FakeServer.start(t);
  const client = connect(t, server);
  const room = client.room("lobby");
  await room.join();
  const slow = room.messages({ limit: 2 });
  const aborted = room.messages({ signal: AbortSignal.abort(new Error("enough")) });
  await assert.rejects(aborted.next(), /enough/);
  const last = next(room, "message", ({ payload }) => payload === 3);
  for (const payload of [1, 2, 3]) {
    server.publish("lobby", { type: "chat", payload });
  }
  await last;
  const seen = [];
  await assert.rejects(async () => {
    for await (const { payload } of slow) {
      seen.push(payload);
    }
  }, fails("overflow"));
  assert.deepEqual(seen, [1, 2, 3]);
  const ended = room.messages().next();
  client.close();
  assert.deepEqual(await ended, { value: undefined, done: true });
});

test("the address may begin with http, keeps its query, and must be one", async (t) => {
  const server = await FakeServer.start(t);
  const client = new Client(`${server.url.replace("ws:", "http:")}?x=1`, { WebSocket, user: "jö&rg" });
  t.after(() => client.close());
  client.connect();
  await next(client, "state", ({ state }) => state === "open");
  assert.equal(server.dialled[0].url, "/ws?x=1&user=j%C3%B6%26rg");
  assert.throws(() => new Client("no address", { WebSocket }), TypeError);
});

test("a server that is away is waited for", async (t) => {
  const server = await FakeServer.start(t);
  const { port } = server;
  await server.stop();
  const client = connect(t, server);
  await next(client, "state", ({ state }) => state === "waiting");
  await server.listen(port);
  await client.room("lobby").join();
});

// How a client takes it when no connection is opened: refusals, proxies, tokens, silence.

import assert from "node:assert/strict";
import { test } from "node:test";
import { WebSocket } from "ws";

import { Client, eventually, FakeServer, next } from "./library.js";

const HINT = "never opened: origin, token or address?";

/** A socket as in a browser, which is not told how an upgrade was refused. */
class PageSocket {
  #socket;

  constructor(url, protocols) {
    this.#socket = new WebSocket(url, protocols);
    this.#socket.binaryType = "arraybuffer";
    this.#socket.onopen = () => this.onopen?.();
    this.#socket.onmessage = (event) => this.onmessage?.(event);
    this.#socket.onclose = (event) => this.onclose?.(event);
    this.#socket.onerror = () => {};
  }

  send(data) {
    this.#socket.send(data);
  }

  close(code) {
    this.#socket.close(code);
  }
}

function connect(t, server, options = {}) {
  const client = new Client(server.url, { WebSocket, min_backoff_ms: 1, max_backoff_ms: 2, ...options });
  const states = [];
  client.on("state", (change) => states.push(change));
  t.after(() => client.close());
  client.connect();
  return { client, states };
}

const ours = (status, code) => ({ status, body: JSON.stringify({ error: { code, message: "no" } }) });

for (const status of [400, 403, 404, 405, 426]) {
  test(`a ${status} of Switchboard's is final, with its code`, async (t) => {
    const server = await FakeServer.start(t);
    server.refuse = () => ours(status, "origin_not_allowed");
    const { client, states } = connect(t, server);
    const closed = await next(client, "state", ({ state }) => state === "closed");
    assert.deepEqual({ ...closed }, { state: "closed", code: status, reason: "origin_not_allowed" });
    assert.deepEqual(states.map(({ state }) => state), ["connecting", "closed"]);
    assert.equal(server.dialled.length, 1);
  });
}

const OTHERS = {
  "text": "404 page not found",
  "JSON without an error": '{"message":"no route"}',
  "an error without a code": '{"error":"no route"}',
  "an error with a number": '{"error":{"code":404}}',
  "null": "null",
  "nothing": "",
  "more than is read": `{"error":{"code":"${"x".repeat(20_000)}"}}`,
};

for (const [what, body] of Object.entries(OTHERS)) {
  test(`a proxy's answer is retried: ${what}`, async (t) => {
    const server = await FakeServer.start(t);
    const statuses = [400, 401, 403, 404, 405, 426, 502];
    server.refuse = (count) => statuses[count - 1] && { status: statuses[count - 1], body };
    const { client, states } = connect(t, server);
    await next(client, "state", ({ state }) => state === "open");
    assert.deepEqual(states.filter(({ state }) => state === "waiting").map(({ code, reason, hint }) => [code, reason, hint]), statuses.map((status) => [status, undefined, undefined]));
  });
}

test("Retry-After sets the wait, if it is seconds", async (t) => {
  const server = await FakeServer.start(t);
  const headers = [{ "Retry-After": "7" }, { "Retry-After": "Fri, 31 Dec 1999 23:59:59 GMT" }];
  server.refuse = (count) => ({ ...ours(503, "server_full"), headers: headers[count - 1] });
  const { client } = connect(t, server);
  const { retry_in_ms: wait } = await next(client, "state", ({ state }) => state === "waiting");
  assert.equal(wait, 7_000);
  const drawn = next(client, "state", ({ state }) => state === "waiting");
  client.connect();
  assert.ok((await drawn).retry_in_ms <= 2);
});

test("a page asks for a token after each attempt that failed before it opened, and keeps one that opened", async (t) => {
  const server = await FakeServer.start(t);
  let asked = 0;
  const tokens = () => server.dialled.map(({ protocols }) => protocols[1]);
  server.refuse = (count) => (count <= 2 ? ours(401, "unauthorized") : undefined);
  const { client } = connect(t, server, { WebSocket: PageSocket, token: async () => `t${(asked += 1)}` });
  await next(client, "state", ({ state }) => state === "open");
  assert.deepEqual(tokens(), ["bearer.t1", "bearer.t2", "bearer.t3"]);
  const again = next(client, "state", ({ state }) => state === "open");
  server.cut();
  await again;
  assert.equal(tokens().at(-1), "bearer.t3");
  const replaced = next(client, "state", ({ state }) => state === "open");
  server.close(4001, "unauthorized");
  await replaced;
  assert.equal(tokens().at(-1), "bearer.t4");
});

test("after three attempts that never opened, the state says what may be wrong", async (t) => {
  const server = await FakeServer.start(t);
  server.refuse = () => ours(403, "origin_not_allowed");
  const { client, states } = connect(t, server, { WebSocket: PageSocket });
  const hints = () => states.filter(({ state }) => state === "waiting").map(({ hint }) => hint);
  await eventually("four attempts", () => hints().length >= 4);
  assert.deepEqual(hints().slice(0, 4), [undefined, undefined, HINT, HINT]);
  assert.ok(states.every(({ state, hint }) => state === "waiting" || hint === undefined));
  server.refuse = () => undefined;
  await next(client, "state", ({ state }) => state === "open");

  // It did open: from now on the server is away, and nothing points to origin or address.
  states.length = 0;
  server.refuse = () => ours(403, "origin_not_allowed");
  server.cut();
  await eventually("five attempts", () => hints().length >= 5);
  assert.deepEqual(new Set(hints()), new Set([undefined]));

  client.close();
  states.length = 0;
  client.connect();
  await eventually("three attempts after another start", () => hints().length >= 3);
  assert.deepEqual(hints().slice(0, 3), [undefined, undefined, HINT]);
});

test("an attempt whose reason is known has no hint", async (t) => {
  const server = await FakeServer.start(t);
  server.accept = () => 4002;
  const { states } = connect(t, server, { WebSocket: PageSocket });
  const waits = () => states.filter(({ state }) => state === "waiting");
  await eventually("four closes", () => waits().length >= 4);
  assert.deepEqual(waits().slice(0, 4).map(({ code, hint }) => [code, hint]), Array(4).fill([4002, undefined]));
});

test("the greeting's features are shown, and an older server has none", async (t) => {
  const server = await FakeServer.start(t);
  const { client } = connect(t, server);
  assert.deepEqual(client.features, []);
  await next(client, "state", ({ state }) => state === "open");
  assert.deepEqual([client.greeting.protocol, client.features, client.supports("batches")], [undefined, [], false]);
  server.greeting = { protocol: 1, features: ["batches"] };
  const again = next(client, "state", ({ state }) => state === "open");
  server.cut();
  await again;
  assert.deepEqual([client.greeting.protocol, client.features], [1, ["batches"]]);
  assert.deepEqual(["batches", "batch", "length"].map((word) => client.supports(word)), [true, false, false]);
});

test("what has arrived is read before the clock judges", async (t) => {
  const server = await FakeServer.start(t);
  server.greeting = { heartbeat: { interval_ms: 100, stale_after_ms: 200 } };
  const { client, states } = connect(t, server);
  const room = client.room("lobby");
  await room.join();
  const message = next(room, "message");
  server.publish("lobby", { type: "chat", payload: "meanwhile" });
  // As a frozen page: time passes, and neither timers nor sockets are heard of.
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 400);
  assert.equal((await message).payload, "meanwhile");
  assert.deepEqual(states.map(({ state }) => state), ["connecting", "open"]);
  // Nothing more arrives: now the clock is right.
  const waiting = await next(client, "state", ({ state }) => state === "waiting");
  assert.equal(waiting.code, undefined);
});

test("a late clock is not put off for ever by calls", async (t) => {
  const server = await FakeServer.start(t);
  server.greeting = { heartbeat: { interval_ms: 100, stale_after_ms: 200 } };
  server.handles = () => false;
  const { client } = connect(t, server);
  await next(client, "state", ({ state }) => state === "open");
  const calls = setInterval(() => client.room("lobby").send("chat", 1), 5);
  t.after(() => clearInterval(calls));
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 400);
  await next(client, "state", ({ state }) => state === "waiting");
});

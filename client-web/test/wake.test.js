// Browser events that tell that the device woke up or has a network again.

import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";
import { WebSocket } from "ws";

import { Client, eventually, FakeServer, next } from "./library.js";

const EVENTS = ["online", "pageshow", "visibilitychange"];
const LONG_MS = 3_600_000;

let page;

beforeEach(() => {
  page = new EventTarget();
  globalThis.addEventListener = page.addEventListener.bind(page);
  globalThis.removeEventListener = page.removeEventListener.bind(page);
  globalThis.document = { hidden: false };
});

afterEach(() => {
  delete globalThis.addEventListener;
  delete globalThis.removeEventListener;
  delete globalThis.document;
});

const tell = (name) => page.dispatchEvent(new Event(name));

function connect(t, server) {
  const client = new Client(server.url, { WebSocket, user: "alice", min_backoff_ms: LONG_MS, max_backoff_ms: LONG_MS });
  t.after(() => client.close());
  client.connect();
  return client;
}

/** A client that waits for an hour or less to come back to a server that is there again. */
async function startWaiting(t) {
  const server = await FakeServer.start(t);
  const client = connect(t, server);
  await next(client, "state", ({ state }) => state === "open");
  const waiting = next(client, "state", ({ state }) => state === "waiting");
  server.cut();
  await waiting;
  return client;
}

for (const name of EVENTS) {
  test(`${name} ends the wait`, async (t) => {
    const client = await startWaiting(t);
    tell(name);
    assert.equal(client.state, "connecting");
    await next(client, "state", ({ state }) => state === "open");
  });

  test(`${name} makes an open connection be looked after`, async (t) => {
    const server = await FakeServer.start(t);
    const client = connect(t, server);
    await next(client, "state", ({ state }) => state === "open");
    const answered = next(client, "health_pong");
    tell(name);
    tell(name);
    const { timestamp } = await answered;
    const asked = server.received.filter(({ type }) => type === "health_ping");
    assert.deepEqual(asked, [{ type: "health_ping", timestamp }]);
  });
}

test("a page that is hidden, or becomes so, does nothing", async (t) => {
  const client = await startWaiting(t);
  document.hidden = true;
  EVENTS.forEach(tell);
  assert.equal(client.state, "waiting");
  client.wake();
  assert.equal(client.state, "connecting");
});

test("a client that was closed does not listen any more", async (t) => {
  const server = await FakeServer.start(t);
  const client = connect(t, server);
  await next(client, "state", ({ state }) => state === "open");
  client.close();
  EVENTS.forEach(tell);
  assert.equal(client.state, "idle");
  await eventually("the connection closed", () => server.connections.size === 0);
  assert.deepEqual(server.received, []);
});

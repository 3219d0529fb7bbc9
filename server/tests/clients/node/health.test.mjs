// Heartbeats: every second, with clients stale after two.

import assert from "node:assert/strict";
import { test } from "node:test";
import { WebSocket } from "ws";
import { Server, within } from "./harness.mjs";
import { WebSocketClient } from "./spec-client.mjs";

const config = (mode) => `
[heartbeat]
interval = "1s"
stale_after = "2s"
mode = "${mode}"
`;

// Node 20 lacks a WebSocket; the specification's client expects the browser's.
globalThis.WebSocket ??= WebSocket;

/** Waits for the fifth heartbeat of the server: more than twice the stale limit. */
function fiveBeats(listen) {
  let beats = 0;
  const start = performance.now();
  const beaten = new Promise((resolve) => {
    listen(() => {
      beats += 1;
      if (beats >= 5 && performance.now() - start > 4_000) resolve();
    });
  });
  return within(15_000, () => `5 heartbeats over more than 4 s; ${beats} came`, beaten);
}

/** Expects that a silent client is closed at the limit, neither before nor long after. */
async function closedAsStale(server, options, prepare = () => {}) {
  const start = performance.now();
  const client = await server.connect("/ws/lobby?user=silent", options);
  prepare(client);
  const end = await client.closed();
  const after = performance.now() - start;
  assert.deepEqual(end, { code: 4010, reason: "stale" });
  assert.ok(after >= 2_000 && after <= 4_000, `closed after ${after} ms`);
}

test("the specification's client, as it stands there, outlives the stale limit", async (t) => {
  const server = await Server.start(t, config("application"));
  const client = new WebSocketClient();
  const handled = [];
  client.handleMessage = (message) => handled.push(message);
  client.connect(`ws://127.0.0.1:${server.port}/ws/lobby?user=alice`);
  t.after(() => client.ws.close());
  let end;
  client.ws.addEventListener("close", (event) => (end = event.code));

  await fiveBeats((beat) => {
    client.ws.addEventListener("message", (event) => {
      if (JSON.parse(event.data).type === "health_ping") beat();
    });
  });
  assert.equal(end, undefined, "still open");
  assert.equal(client.ws.readyState, WebSocket.OPEN);
  assert.equal(handled[0].type, "connected");

  const bob = await server.connect("/ws/lobby?user=bob");
  client.ws.send(JSON.stringify({ type: "chat", payload: "still here" }));
  assert.equal((await bob.next({ type: "chat" })).payload, "still here");
});

test("in mode application, a client that answers nothing is closed at the limit", async (t) => {
  const server = await Server.start(t, config("application"));
  await Promise.all([
    closedAsStale(server, { autoPong: false }),
    // A protocol pong, whether requested or not, does not answer a health_ping.
    closedAsStale(server, { autoPong: true }, (client) => client.socket.on("message", () => client.socket.pong())),
  ]);
  assert.equal((await server.empty()).total_connections, 0);
});

test("in mode application, any message is a sign of life", async (t) => {
  const server = await Server.start(t, config("application"));
  const client = await server.connect("/ws/lobby?user=alice", { autoPong: false });
  await fiveBeats((beat) => {
    client.socket.on("message", (data) => {
      if (JSON.parse(data).type !== "health_ping") return;
      client.send({ type: "chat", payload: "busy" });
      beat();
    });
  });
  assert.ok(client.open);
});

test("in mode protocol, a client whose library answers pings stays", async (t) => {
  const server = await Server.start(t, config("protocol"));
  const client = await server.connect("/ws/lobby?user=alice");
  await fiveBeats((beat) => client.socket.on("ping", beat));
  assert.ok(client.open);
  await client.fence("lobby");
  assert.deepEqual(client.unread({ type: "health_ping" }), [], "no health_ping in this mode");
});

test("in mode protocol, a client without pongs is closed at the limit", async (t) => {
  const server = await Server.start(t, config("protocol"));
  await Promise.all([
    closedAsStale(server, { autoPong: false }),
    // A pong without a ping does not count.
    closedAsStale(server, { autoPong: false }, (client) => {
      client.socket.on("ping", () => client.socket.pong("unsolicited"));
    }),
  ]);
});

test("in mode both, either answer will do", async (t) => {
  const server = await Server.start(t, config("both"));
  const pongs = await server.connect("/ws/lobby?user=alice");
  const answers = await server.connect("/ws/lobby?user=bob", { autoPong: false });
  answers.socket.on("message", (data) => {
    const { type, timestamp } = JSON.parse(data);
    if (type === "health_ping") answers.send({ type: "health_pong", timestamp });
  });
  await Promise.all([
    fiveBeats((beat) => pongs.socket.on("ping", beat)),
    fiveBeats((beat) => answers.socket.on("ping", beat)),
    closedAsStale(server, { autoPong: false }),
  ]);
  assert.ok(pongs.open && answers.open);
});

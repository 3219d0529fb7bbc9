// Whatever is cut and whenever: every call settles once, and nothing is lost, repeated or out of order.

import assert from "node:assert/strict";
import { test } from "node:test";
import { WebSocket } from "ws";

import { createDraw } from "../dist/backoff.js";
import { Client, FakeServer } from "./library.js";

const MESSAGES = 60;

for (const seed of [1, 2, 3, 4, 5]) {
  test(`random cuts, seed ${seed}`, async (t) => {
    const draw = createDraw(seed);
    const server = await FakeServer.start(t);
    const client = new Client(server.url, { WebSocket, user: "alice", min_backoff_ms: 1, max_backoff_ms: 4, max_in_flight: 5 });
    t.after(() => client.close());
    server.handles = () => {
      // Before it is handled, or behind its answer.
      const what = draw(19);
      if (what < 2) {
        server.cut();
      }
      return what !== 1;
    };
    client.connect();
    const room = client.room("lobby");
    const seen = [];
    room.on("message", ({ event_id: position }) => seen.push(Number(position.split(":")[1])));
    await room.join();
    let settled = 0;
    const count = () => (settled += 1);
    const sent = Array.from({ length: MESSAGES }, (_, n) => room.send("chat", n).finally(count));
    const asked = Promise.allSettled(Array.from({ length: 20 }, () => client.request("add", { a: 1, b: 1 }, { timeout: 5_000 }).finally(count)));
    const positions = (await Promise.all(sent)).map(({ event_id: position }) => position);
    for (const { status, value, reason } of await asked) {
      assert.ok(status === "fulfilled" ? value === 2 : reason.code === "disconnected", String(reason));
    }
    assert.equal(settled, MESSAGES + 20);
    assert.equal(new Set(positions).size, MESSAGES);
    server.handles = () => true;
    server.publish("lobby", { type: "chat" });
    // The last one came, so all before it did.
    const last = server.room("lobby").log.length;
    while (seen.at(-1) !== last) {
      await new Promise((resolve) => room.on("message", resolve));
    }
    assert.equal(last, MESSAGES + 1);
    assert.deepEqual(seen, Array.from({ length: last }, (_, n) => n + 1));
  });
}

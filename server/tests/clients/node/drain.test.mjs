// SIGTERM: clients are told when to reconnect, no new ones get in, and the program ends in time.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Server, refusal } from "./harness.mjs";

const SPREAD = 2_000;
const config = (timeout) => `
[limits]
max_per_room = 20
max_per_user = 20
messages_per_second = 0
outbox_bytes = 262144
[rooms.""]
overflow = "drop_oldest"
[drain]
timeout = "${timeout}"
spread = "${SPREAD}ms"
`;

/** Expects a notice before the close, a delay in range, and the right close code. */
async function dismissed(client) {
  const { retry_after_ms: wait } = await client.next({ type: "draining" });
  assert.ok(Number.isInteger(wait) && wait >= 0 && wait <= SPREAD, `retry_after_ms ${wait}`);
  assert.deepEqual(await client.closed(), { code: 1001, reason: "draining" });
  return wait;
}

test("every client is told and closed with 1001, and the program ends early", async (t) => {
  const server = await Server.start(t, config("10s"));
  const clients = await Promise.all(
    Array.from({ length: 12 }, (_, n) => server.connect(`/ws/lobby?user=user${n}`)),
  );
  assert.equal((await server.get("/readyz")).status, 200);
  assert.equal((await server.get("/healthz")).status, 200);

  // What was accepted before is delivered before the close.
  const ack = await clients[0].ask({ type: "chat", payload: "last words" });
  assert.equal(ack.type, "ack");
  const [end, waits] = await Promise.all([server.terminate(), Promise.all(clients.map(dismissed))]);
  assert.deepEqual([end.code, end.signal], [0, null]);
  assert.ok(end.ms < 5_000, `ended after ${end.ms} ms, long before the 10 s`);
  assert.ok(new Set(waits).size > 1, `the advice is spread: ${waits}`);
  for (const client of clients) assert.equal(client.unread({ type: "chat" }).length, 1);
});

test("an idle server ends at once", async (t) => {
  const server = await Server.start(t, config("10s"));
  const end = await server.terminate();
  assert.deepEqual([end.code, end.signal], [0, null]);
  assert.ok(end.ms < 3_000, `ended after ${end.ms} ms`);
});

test("a client that never reads cannot hold the program, and no new client gets in meanwhile", async (t) => {
  const server = await Server.start(t, config("3s"));
  const reader = await server.connect("/ws/lobby?user=reader");
  const stuck = await server.connect("/ws/lobby?user=stuck");
  stuck.socket.pause();
  // Until more is queued for the stuck client than its buffers hold.
  const body = "x".repeat(32 * 1024);
  for (let n = 0; n < 600; n += 1) {
    reader.send({ type: "chat", payload: body });
    await reader.next({ type: "chat" });
  }

  const ended = server.terminate();
  await dismissed(reader);
  const late = await server.dial("/ws/lobby?user=late").outcome();
  if (late.refused) {
    assert.equal(late.refused.status, 503);
    assert.equal(refusal(late.refused), "draining");
    assert.match(late.refused.headers["retry-after"], /^[0-9]+$/);
  } else if (late.closed?.code === 1001) {
    // Accepted only to be closed with a reason that a browser can read.
    assert.equal(late.closed.reason, "draining");
  } else {
    // The listener is already closed.
    assert.equal(late.closed?.code, 1006, JSON.stringify(late));
    assert.match(late.error, /ECONNREFUSED|ECONNRESET/);
  }
  const end = await ended;
  assert.deepEqual([end.code, end.signal], [0, null]);
  assert.ok(end.ms < 4_500, `ended after ${end.ms} ms with a drain timeout of 3 s`);
});

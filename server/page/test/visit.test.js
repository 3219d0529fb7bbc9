import assert from "node:assert/strict";
import { test } from "node:test";

import { Visit } from "../visit.js";
import { FakeClient } from "./fakes.js";

const turn = () => new Promise((resolve) => setImmediate(resolve));

/** A visit at 1,000 ms, with timers that the test fires. */
function start() {
  const client = new FakeClient();
  const timers = new Map();
  let serial = 0;
  const platform = {
    setTimeout: (action, ms) => {
      timers.set((serial += 1), { action, ms });
      return serial;
    },
    clearTimeout: (timer) => timers.delete(timer),
    now: () => 1_000,
    random: () => 0.5,
  };
  const visit = new Visit(client, "lobby", platform);
  const phases = [];
  visit.addEventListener("state", ({ detail }) => phases.push(detail.phase));
  visit.start();
  client.calls.length = 0;
  const fire = () => {
    const [[timer, { action }]] = timers;
    timers.delete(timer);
    action();
  };
  return { client, visit, phases, timers, fire, room: visit.room };
}

function entered() {
  const all = start();
  all.client.become("connecting");
  all.client.become("open");
  all.room.letIn();
  assert.equal(all.visit.state.phase, "connected");
  return all;
}

test("the way in", () => {
  const { phases } = entered();
  assert.deepEqual([...new Set(phases)], ["connecting", "connected"]);
});

test("a loss is told with its reason and the time of the next attempt, and the client comes back by itself", () => {
  const { client, room, visit } = entered();
  client.become("waiting", { code: 1011, retry_in_ms: 700 });
  assert.equal(visit.state.phase, "waiting");
  assert.equal(visit.state.retryAt, 1_700);
  assert.match(visit.state.text, /failed in the server/);
  client.become("connecting");
  assert.equal(visit.state.phase, "connecting");
  assert.match(visit.state.text, /failed in the server/);
  client.become("open");
  room.emit("joined", { recovered: true });
  assert.deepEqual(visit.state, { phase: "connected" });
  assert.deepEqual(client.calls, []);
});

test("a full room is asked for again after a random wait, or when the person wants it", async () => {
  const { client, room, visit, timers, fire } = start();
  client.become("open");
  room.refuse("lobby_full");
  await turn();
  assert.equal(visit.state.phase, "waiting");
  assert.equal(visit.state.retryAt, 6_000);
  assert.match(visit.state.text, /room is full/);
  fire();
  assert.deepEqual(client.calls, ["join"]);
  room.refuse("lobby_full");
  await turn();
  visit.retryNow();
  assert.deepEqual(client.calls, ["join", "join"]);
  assert.equal(timers.size, 0);
  room.letIn();
  assert.equal(visit.state.phase, "connected");
});

test("a connection that was lost while the room was full asks for it when it is back", async () => {
  const { client, room, visit, timers } = start();
  client.become("open");
  room.refuse("lobby_full");
  await turn();
  client.become("waiting", { retry_in_ms: 10 });
  assert.equal(timers.size, 0);
  client.become("connecting");
  client.become("open");
  assert.deepEqual(client.calls, ["join"]);
  room.letIn();
  assert.equal(visit.state.phase, "connected");
  client.become("waiting", { retry_in_ms: 10 });
  client.become("connecting");
  client.become("open");
  assert.deepEqual(client.calls, ["join"]);
});

test("a room that is full on the way back is waited for, too", () => {
  const { client, room, visit, timers } = entered();
  room.emit("left", { code: "lobby_full", message: "full" });
  assert.equal(visit.state.phase, "waiting");
  assert.equal(timers.size, 1);
  visit.stop();
  assert.equal(timers.size, 0);
  assert.deepEqual(visit.state, { phase: "closed", text: "" });
  assert.deepEqual(client.calls, ["close"]);
});

test("a room that is not for us ends it, with a sentence", async () => {
  const { client, room, visit } = start();
  client.become("open");
  room.refuse("forbidden");
  await turn();
  assert.deepEqual(client.calls, ["close"]);
  assert.equal(visit.state.phase, "closed");
  assert.match(visit.state.text, /because of forbidden \(forbidden\)/);
});

test("the end: by the server with a sentence, by us without one", async () => {
  const refused = start();
  refused.client.become("closed", { code: 4001 });
  refused.room.refuse("closed");
  await turn();
  assert.match(refused.visit.state.text, /valid token/);
  const stopped = entered();
  stopped.visit.stop();
  assert.deepEqual(stopped.visit.state, { phase: "closed", text: "" });
});

test("a drain is announced until the next entry", () => {
  const { client, room, visit } = entered();
  client.emit("draining", { retry_after_ms: 8_000 });
  assert.equal(visit.drainUntil, 9_000);
  assert.equal(visit.state.phase, "connected");
  client.become("waiting", { code: 1001, retry_in_ms: 8_000 });
  assert.equal(visit.drainUntil, undefined);
  assert.match(visit.state.text, /restarting/);
  room.emit("joined", {});
  assert.equal(visit.drainUntil, undefined);
});

test("retrying now goes the way that is open", async () => {
  const { client, visit } = entered();
  visit.retryNow();
  assert.deepEqual(client.calls, []);
  client.become("waiting", { retry_in_ms: 700 });
  visit.retryNow();
  assert.deepEqual(client.calls, ["connect"]);
});

test("a connection that never opens is told with what may be wrong", () => {
  const { client, visit } = start();
  client.become("waiting", { code: 1006, retry_in_ms: 700 });
  assert.match(visit.state.text, /cannot be reached/);
  client.become("waiting", { code: 1006, retry_in_ms: 700, hint: "never opened: origin, token or address?" });
  assert.match(visit.state.text, /ever opened.*token.*origin.*\{when\}/);
});

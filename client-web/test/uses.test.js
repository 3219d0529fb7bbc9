// A room counts its users: components that share it without knowing of each other.

import assert from "node:assert/strict";
import { test } from "node:test";
import { WebSocket } from "ws";

import { Client, eventually, FakeServer, next, SwitchboardError } from "./library.js";

async function start(t) {
  const server = await FakeServer.start(t);
  const client = new Client(server.url, { WebSocket, user: "alice", min_backoff_ms: 20, max_backoff_ms: 40 });
  t.after(() => client.close());
  client.connect();
  const room = client.room("lobby");
  const sent = (type) => server.received.filter((message) => message.type === type).length;
  return { server, client, room, sent };
}

/** How often a listener that is added now hears that the room is joined. */
function count(room) {
  const heard = { times: 0 };
  room.on("joined", () => (heard.times += 1));
  return heard;
}

test("each of two users hears once that the room is joined, and after each reconnect", async (t) => {
  const { server, room, sent } = await start(t);
  const first = count(room);
  await room.join();
  const second = count(room);
  assert.match((await room.join()).position, /:0$/);
  assert.deepEqual([first.times, second.times, sent("join") + sent("resume")], [1, 1, 1]);
  const again = next(room, "joined");
  server.cut();
  await again;
  await eventually("both heard", () => first.times === 2 && second.times === 2);
});

test("the room is left by the last of its users, who may enter again", async (t) => {
  const { server, room, sent } = await start(t);
  const left = [];
  room.on("left", (problem) => left.push(problem));
  await Promise.all([room.join(), room.join()]);
  await room.leave();
  assert.deepEqual([sent("leave"), room.joined, left], [0, true, []]);
  const message = next(room, "message");
  server.publish("lobby", { type: "chat", payload: "still here" });
  assert.equal((await message).payload, "still here");
  await room.leave();
  assert.deepEqual([sent("leave"), room.joined, left], [1, false, [{}]]);
  await room.join();
  await room.leave();
  assert.deepEqual([sent("leave"), room.joined], [2, false]);
});

test("a user that gives up before the room is entered takes only itself out", async (t) => {
  const { server, client, room, sent } = await start(t);
  await next(client, "state", ({ state }) => state === "open");
  server.handles = ({ type }) => type !== "join";
  const controller = new AbortController();
  const impatient = room.join({ signal: controller.signal });
  const patient = room.join();
  await eventually("the question", () => sent("join") === 1);
  controller.abort(new Error("enough"));
  await assert.rejects(impatient, /enough/);
  assert.equal(sent("leave"), 0);
  server.handles = () => true;
  server.cut();
  await patient;
  await room.leave();
  assert.deepEqual([sent("leave"), room.joined], [1, false]);
});

test("when the only user gives up, the server is told", async (t) => {
  const { server, client, room, sent } = await start(t);
  await next(client, "state", ({ state }) => state === "open");
  server.handles = ({ type }) => type !== "join";
  const controller = new AbortController();
  const impatient = room.join({ signal: controller.signal });
  await eventually("the question", () => sent("join") === 1);
  controller.abort(new Error("enough"));
  await assert.rejects(impatient, /enough/);
  await eventually("the leave", () => sent("leave") === 1);
});

test("a use that begins while the room is being left outlives that", async (t) => {
  const { server, client, room, sent } = await start(t);
  await next(client, "state", ({ state }) => state === "open");
  // As React mounts in its strict mode: in, out and in at once.
  const controller = new AbortController();
  const first = room.join({ signal: controller.signal });
  controller.abort(new Error("unmounted"));
  const second = room.join();
  await assert.rejects(first, /unmounted/);
  await second;
  await eventually("the answer to the leave", () => sent("join") === 2 && sent("leave") === 1);
  await room.members();
  await room.join();
  await room.leave();
  assert.deepEqual([sent("leave"), room.joined], [1, true]);
  const message = next(room, "message");
  server.publish("lobby", { type: "chat", payload: "still here" });
  assert.equal((await message).payload, "still here");
  await room.leave();
  assert.deepEqual([sent("leave"), room.joined], [2, false]);
});

test("a join that fails is no use, and neither is one of before the server took the client out", async (t) => {
  const { server, client, room, sent } = await start(t);
  server.room("lobby").refuses = { code: "lobby_full", message: "full" };
  const left = [];
  room.on("left", (problem) => left.push(problem));
  await assert.rejects(room.join(), (error) => error instanceof SwitchboardError && error.code === "lobby_full");
  await assert.rejects(room.join({ signal: AbortSignal.abort() }), { name: "AbortError" });
  assert.deepEqual(left, []);
  delete server.room("lobby").refuses;
  await room.join();
  await room.join();
  const out = next(room, "left");
  server.send({ type: "left", room: "lobby" });
  await out;
  await room.join();
  await room.leave();
  assert.equal(sent("leave"), 1);
  await room.join();
  client.close();
  client.connect();
  await room.join();
  await room.leave();
  assert.equal(sent("leave"), 2);
});

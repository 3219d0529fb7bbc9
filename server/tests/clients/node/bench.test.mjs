// `switchboard bench` against a foreign server: the `ws` package, with an envelope of its own.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { WebSocketServer } from "ws";
import { PATIENCE, program, within } from "./harness.mjs";

const template = `
publish = '["say","{room}",{"nr":"{id}","by":"{user}","body":"{payload}"}]'
subprotocol = "rooms"
headers = ["X-User: {user}"]
echo = false

[[hello]]
wait = '"welcome"'
send = '["join","{room}"]'

[[hello]]
wait = '"joined"'

[[reply]]
match = '^\\["are you there",([0-9]+)\\]$'
send = '["yes",$1]'
`;

/** Joins on request, forwards messages to the room, and asks every client whether it is alive. */
function serve(server, seen) {
  const rooms = new Map();
  server.on("connection", (socket, request) => {
    seen.users.add(request.headers["x-user"]);
    seen.protocols.add(socket.protocol);
    let room;
    socket.send('["welcome"]');
    socket.on("message", (data) => {
      const [what, name, body] = JSON.parse(data);
      if (what === "join") {
        room = name;
        rooms.set(room, (rooms.get(room) ?? new Set()).add(socket));
        socket.send('["joined"]');
        socket.send('["are you there",41]');
      } else if (what === "yes") {
        seen.answers.push(name);
      } else {
        for (const member of rooms.get(name)) if (member !== socket) member.send(JSON.stringify({ heard: body }));
      }
    });
    socket.on("close", () => rooms.get(room)?.delete(socket));
  });
}

test("a template makes it speak with any server", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "switchboard-bench-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const file = join(folder, "template.toml");
  writeFileSync(file, template);
  const server = new WebSocketServer({ host: "127.0.0.1", port: 0 });
  t.after(() => {
    server.clients.forEach((client) => client.terminate());
    server.close();
  });
  const seen = { users: new Set(), protocols: new Set(), answers: [] };
  serve(server, seen);
  await within(PATIENCE, "the port", new Promise((resolve) => server.once("listening", resolve)));

  const args = ["bench", `ws://127.0.0.1:${server.address().port}/`, "fan-out", "--template", file, "--json"];
  args.push("--rooms", "3", "--members", "4", "--rate", "300", "--time", "500ms", "--warmup", "0s");
  const [error, out, log] = await within(
    PATIENCE,
    "the figures",
    new Promise((resolve) => execFile(program(), args, (...all) => resolve(all))),
  );
  assert.equal(error, null, log);
  const report = JSON.parse(out);
  const { published, expected, delivered } = report.traffic;
  assert.ok(published > 12, out);
  assert.deepEqual([expected, delivered], [published * 3, expected], "the publisher does not hear itself");
  assert.equal(report.connections.opened, 12);
  assert.equal(seen.users.size, 12);
  assert.deepEqual([...seen.protocols], ["rooms"]);
  assert.deepEqual(seen.answers, Array(12).fill(41));
});

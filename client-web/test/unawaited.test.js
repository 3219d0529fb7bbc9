// Calls that nobody awaits, as in a cleanup: their failures must not end a Node process.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const LIBRARY = new URL("./library.js", import.meta.url).href;

/** Runs `body` in a process of its own, with a client that is in the room; returns its exit code and output. */
function run(body) {
  const script = `
    import { WebSocket } from "ws";
    import { Client, FakeServer } from ${JSON.stringify(LIBRARY)};
    const server = await FakeServer.start({ after() {} });
    const client = new Client(server.url, { WebSocket, user: "alice" });
    client.connect();
    const room = client.room("lobby");
    await room.join();
    ${body}
    // Unhandled rejections are raised before this.
    setImmediate(() => process.exit(0));`;
  // The variable would make it report as a file of tests does.
  const { NODE_TEST_CONTEXT: _, ...env } = process.env;
  const options = { cwd: fileURLToPath(new URL(".", import.meta.url)), encoding: "utf8", env, timeout: 30_000 };
  const { status, stderr } = spawnSync(process.execPath, ["--input-type=module", "--eval", script], options);
  return { status, stderr };
}

const CALLS = {
  leave: "room.leave()",
  join: 'client.room("other").join()',
  send: 'room.send("chat", 1)',
  direct: 'client.direct("bob", 1)',
  request: 'client.request("add", { a: 1, b: 1 })',
  members: "room.members()",
  history: "room.history()",
};

for (const [name, call] of Object.entries(CALLS)) {
  test(`${name}: failing unawaited is harmless`, () => {
    assert.deepEqual(run(`${call}; client.close();`), { status: 0, stderr: "" });
  });

  test(`${name}: failing awaited rejects`, () => {
    const { status, stderr } = run(`const call = ${call}; client.close(); await call;`);
    assert.equal(status, 1, stderr);
    assert.match(stderr, /stopped/);
  });
}

test("an aborted join is harmless unawaited, too", () => {
  const abort = 'const controller = new AbortController(); client.room("other").join({ signal: controller.signal }); controller.abort();';
  assert.deepEqual(run(abort), { status: 0, stderr: "" });
});

test("a mistake of the caller is noticed, awaited or not", () => {
  const { status, stderr } = run('room.send("chat", 1n);');
  assert.equal(status, 1);
  assert.match(stderr, /TypeError/);
});

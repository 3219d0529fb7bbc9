import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import vm from "node:vm";
import { WebSocket } from "ws";

import { buildPageModule, PAGE_MODULE } from "../build.js";
import { FakeServer } from "./fake-server.js";

test("the page's module is what the sources build to", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "switchboard-client-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const built = join(folder, "module.js");
  await buildPageModule(built);
  const committed = execFileSync("git", ["show", ":./page/switchboard-client.js"], { cwd: fileURLToPath(new URL("..", import.meta.url)), encoding: "utf8" });
  assert.equal(committed, readFileSync(built, "utf8"), "run `npm run build` and commit page/switchboard-client.js");
  assert.equal(readFileSync(PAGE_MODULE, "utf8"), committed);
});

test("the plain script works as the modules do", async (t) => {
  const server = await FakeServer.start(t);
  const script = readFileSync(new URL("../dist/switchboard-client.global.js", import.meta.url), "utf8");
  vm.runInThisContext(script);
  const client = new globalThis.Switchboard.Client(server.url, { WebSocket, user: "alice", min_backoff_ms: 10 });
  t.after(() => client.close());
  client.connect();
  const room = client.room("lobby");
  const messages = room.messages();
  await room.join();
  await room.send("chat", { text: "hi" });
  server.cut();
  await room.send("image", Uint8Array.of(1));
  assert.deepEqual((await messages.next()).value.payload, { text: "hi" });
  assert.deepEqual((await messages.next()).value.payload, { bytes: [1] });
  assert.deepEqual(await room.members(), { members: ["alice"], total: 1 });
});

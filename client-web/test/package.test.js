// The package as npm packs it, in a project that has nothing else.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath, pathToFileURL } from "node:url";
import { WebSocket } from "ws";

import { FakeServer } from "./fake-server.js";

const USES = `
export { Client } from "switchboard-client";
export { createMachine } from "switchboard-client/machine";
import "switchboard-client/global";
`;

test("the package can be installed and imported", async (t) => {
  const project = mkdtempSync(join(tmpdir(), "switchboard-client-"));
  t.after(() => rmSync(project, { recursive: true }));
  const npm = (cwd, ...words) => execFileSync("npm", [...words, "--ignore-scripts", "--no-audit", "--no-fund"], { cwd, encoding: "utf8" });
  const here = fileURLToPath(new URL("..", import.meta.url));
  const [{ filename, files }] = JSON.parse(npm(here, "pack", "--json", "--pack-destination", project));
  assert.deepEqual(files.map(({ path }) => path).filter((path) => !/^(dist|examples)\/|^(README\.md|package\.json|LICENSE-\w+)$/.test(path)), []);
  writeFileSync(join(project, "package.json"), '{"private":true}');
  npm(project, "install", "--offline", `./${filename}`);
  writeFileSync(join(project, "uses.mjs"), USES);
  const { Client, createMachine } = await import(pathToFileURL(join(project, "uses.mjs")));

  const server = await FakeServer.start(t);
  for (const Each of [Client, globalThis.Switchboard.Client]) {
    const client = new Each(server.url, { WebSocket, user: "alice" });
    t.after(() => client.close());
    client.connect();
    await client.room("lobby").join();
    assert.match((await client.room("lobby").send("chat", "hi")).event_id, /:\d+$/);
  }
  assert.equal(createMachine().nextDeadline(), Infinity);
});

test("the lock file names versions and digests, not where they are downloaded from", () => {
  const { packages } = JSON.parse(readFileSync(new URL("../package-lock.json", import.meta.url), "utf8"));
  assert.deepEqual(Object.keys(packages).filter((name) => packages[name].resolved !== undefined), []);
});

// The browser client's plain script in a page without modules: its own example, from another
// origin.

import assert from "node:assert/strict";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { test } from "node:test";
import { Server } from "../node/harness.mjs";
import { Tab, browse } from "./chromium.mjs";

const PACKAGE = new URL("../../../../client-web/", import.meta.url);
const FILES = { "/examples/plain.html": "text/html", "/dist/switchboard-client.global.js": "text/javascript" };

/**
 * Serves the example and its script; the example connects to `url` instead of its usual address.
 */
async function serve(t, url) {
  const site = createServer(({ url: path }, response) => {
    if (FILES[path] === undefined) {
      response.writeHead(404).end();
      return;
    }
    const text = readFileSync(new URL(`.${path}`, PACKAGE), "utf8");
    response.setHeader("Content-Type", FILES[path]);
    response.end(text.replace("ws://localhost:8080/", url.replace("http:", "ws:")));
  });
  site.listen(0, "127.0.0.1");
  await once(site, "listening");
  t.after(() => site.close());
  return { url: `http://127.0.0.1:${site.address().port}/examples/plain.html` };
}

test("the example with a script tag talks to others", async (t) => {
  const server = await Server.start(t, '[origins]\nallowed = ["*"]\n');
  const bob = await server.connect("/ws?user=bob");
  await bob.join("lobby");
  const tab = await Tab.open(await browse(t), await serve(t, server.url));
  await tab.page.getByText("open", { exact: true }).waitFor();
  await tab.page.getByLabel("Message").fill("hello from a plain script");
  await tab.page.getByRole("button", { name: "Send" }).click();
  const { from, payload } = await bob.next({ type: "chat" });
  assert.match(from, /^guest-/);
  assert.deepEqual(payload, { text: "hello from a plain script" });
  await bob.ask({ type: "chat", room: "lobby", payload: { text: "hello yourself" } });
  await tab.page.getByText("bob: hello yourself").waitFor();
  await tab.page.getByText(`${from}: hello from a plain script`).waitFor();
  assert.deepEqual(tab.problems.filter((text) => !text.includes("404")), []);
});

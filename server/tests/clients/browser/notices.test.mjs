// What the server's page tells a user whose connection failed: that nothing was missed, or that
// something was.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Server, eventually } from "../node/harness.mjs";
import { Tab, browse } from "./chromium.mjs";
import { Network } from "./proxy.mjs";

const CONFIG = `
[limits]
messages_per_second = 0
outbox_messages = 64
outbox_bytes = 262144
[rooms.""]
overflow = "drop_oldest"
history_bytes = 0
`;

const ROOM = "lobby";

async function alone(server, user) {
  const client = await server.connect(`/ws?user=${user}`);
  await client.join(ROOM);
  return client;
}

async function say(client, text) {
  const answer = await client.ask({ type: "chat", room: ROOM, payload: { text } });
  assert.equal(answer.type, "ack", JSON.stringify(answer));
}

/** Opens a tab behind a failing network, and a second client with a good connection. */
async function start(t) {
  const server = await Server.start(t, CONFIG);
  const network = await Network.start(t, server.port);
  const bob = await alone(server, "bob");
  const tab = await Tab.open(await browse(t), network);
  await tab.enter("alice", ROOM);
  await say(bob, "before");
  await tab.message("bob", "before").waitFor();
  return { server, network, bob, tab };
}

/** Fires what a browser tells a page when the network is back. */
const back = (tab) => tab.page.evaluate(() => void dispatchEvent(new Event("online")));

/** Returns the conversation from top to bottom: texts, and kinds of notices. */
const lines = (tab) =>
  tab.get("messages").locator("> li").evaluateAll((items) =>
    items.map((item) => item.dataset.kind ?? item.querySelector(".text")?.textContent));

test("what was said during a short loss follows, and the page says that nothing is missing", async (t) => {
  const { network, bob, tab } = await start(t);
  network.up = false;
  network.reset();
  await tab.get("banner").filter({ hasText: /cannot be reached/ }).waitFor();
  await say(bob, "meanwhile 1");
  await say(bob, "meanwhile 2");
  await tab.screenshot("notice-lost");
  network.up = true;
  await back(tab);
  await tab.notice("resumed").waitFor();
  await tab.message("bob", "meanwhile 2").waitFor();
  await tab.get("message-input").fill("I am back");
  await tab.get("send").click();
  await tab.message("alice", "I am back").and(tab.page.locator("[data-pending=false]")).waitFor();
  assert.deepEqual((await lines(tab)).filter((line) => line !== "joined" && line !== "left"),
    ["before", "resumed", "meanwhile 1", "meanwhile 2", "I am back"]);
  await tab.screenshot("notice-resumed");
});

test("a server that was restarted cannot give back what was said: the page says so", async (t) => {
  const { server, network, bob, tab } = await start(t);
  network.up = false;
  network.reset();
  await tab.get("banner").filter({ hasText: /cannot be reached/ }).waitFor();
  await say(bob, "never seen");
  await server.terminate();
  const next = await Server.start(t, CONFIG);
  network.target = next.port;
  network.up = true;
  await back(tab);
  const notice = tab.notice("refresh");
  await notice.waitFor();
  assert.match(await notice.textContent(), /could not be recovered/);
  const carol = await alone(next, "carol");
  await tab.member("carol").waitFor();
  await say(carol, "a new beginning");
  await tab.message("carol", "a new beginning").waitFor();
  assert.equal(await tab.message("bob", "never seen").count(), 0);
  assert.equal(await tab.notice("resumed").count(), 0);
  assert.equal(await tab.notice("refresh").count(), 1);
  await tab.screenshot("notice-refresh");
});

test("a tab that was too slow is told how many messages were skipped", async (t) => {
  const { network, bob, tab } = await start(t);
  network.freeze();
  // More than all the buffers on the way can hold.
  const text = "x".repeat(60_000);
  const count = 400;
  for (let n = 0; n < count; n += 1) await say(bob, `${n} ${text}`);
  network.thaw();
  const last = tab.message("bob", `${count - 1} x`);
  await last.waitFor();
  const notices = await tab.notice("gap").allTextContents();
  const skipped = notices.map((notice) => Number(/^([\d,]+) messages? (was|were) skipped/.exec(notice)[1].replace(",", "")));
  const came = (await lines(tab)).filter((line) => / x{9}/.test(line)).length;
  assert.ok(notices.length > 0);
  assert.equal(came + skipped.reduce((sum, one) => sum + one, 0), count);
  t.diagnostic(`${came} came, ${skipped} skipped`);
  await say(bob, "on we go");
  await tab.message("bob", "on we go").waitFor();
  await eventually(() => "still connected", async () => /^Connected/.test(await tab.get("state").textContent()));
  await tab.notice("gap").last().scrollIntoViewIfNeeded();
  await tab.screenshot("notice-gap");
});

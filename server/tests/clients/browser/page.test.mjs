// The server's page in a real browser: two tabs talk, and the page explains what happens.
// Takes a screenshot of every step.

import assert from "node:assert/strict";
import { test } from "node:test";
import { deflateSync } from "node:zlib";
import { Server, eventually } from "../node/harness.mjs";
import { Tab, browse } from "./chromium.mjs";

const CONFIG = `
[limits]
max_per_room = 6
max_per_user = 5
[rooms.""]
presence_grace = "200ms"
[drain]
timeout = "10s"
spread = "60s"
`;

/** Returns a picture that no page contains: a gradient of `side` × `side` pixels, as PNG. */
function png(side) {
  const chunk = (name, data) => {
    const body = Buffer.concat([Buffer.from(name), data]);
    const whole = Buffer.alloc(body.length + 8);
    whole.writeUInt32BE(data.length);
    body.copy(whole, 4);
    whole.writeUInt32BE(checksum(body), body.length + 4);
    return whole;
  };
  const header = Buffer.alloc(13);
  header.writeUInt32BE(side, 0);
  header.writeUInt32BE(side, 4);
  header.set([8, 2], 8);
  const rows = Buffer.from(
    Array.from({ length: side }, (_, y) => [
      0,
      ...Array.from({ length: side }, (_, x) => [(x * 255) / side, (y * 255) / side, 128].map(Math.floor)).flat(),
    ]).flat(),
  );
  const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
  return Buffer.concat([
    signature,
    chunk("IHDR", header),
    chunk("IDAT", deflateSync(rows)),
    chunk("IEND", Buffer.alloc(0)),
  ]);
}

function checksum(bytes) {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit += 1) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return (crc ^ 0xffffffff) >>> 0;
}

test("two tabs join, talk and see each other, and the page explains what happens", async (t) => {
  const server = await Server.start(t, CONFIG);
  const context = await browse(t);
  const asked = new Set();
  context.on("request", (request) => {
    const { protocol, host } = new URL(request.url());
    // A picture that the page made itself causes no request.
    if (protocol !== "blob:" && protocol !== "data:") asked.add(host);
  });
  const tabs = {};

  let number = 0;
  const step = async (name, action) => {
    number += 1;
    let failed;
    await action().catch((error) => (failed = error));
    for (const [who, tab] of Object.entries(tabs)) {
      await tab.screenshot(`${String(number).padStart(2, "0")}-${name.replaceAll(" ", "-")}-${who}`);
    }
    if (failed) throw new Error(`step "${name}": ${failed.message}`, { cause: failed });
    t.diagnostic(`${name}: seen`);
  };

  await step("both join and see each other", async () => {
    tabs.alice = await Tab.open(context, server);
    await tabs.alice.enter("alice", "lobby");
    tabs.bob = await Tab.open(context, server);
    await tabs.bob.enter("bob", "lobby");
    await tabs.alice.member("bob").waitFor();
    await tabs.bob.member("alice").waitFor();
    await eventually(() => "one notice that bob joined", async () => (await tabs.alice.arrivals("bob")) === 1);
  });
  const { alice, bob } = tabs;

  await step("they chat both ways", async () => {
    await alice.get("message-input").fill("hello <b>bob</b> 👋");
    await alice.get("send").click();
    await bob.message("alice", "hello <b>bob</b> 👋").waitFor();
    await bob.get("message-input").fill("hello alice");
    await bob.get("message-input").press("Enter");
    await alice.message("bob", "hello alice").waitFor();
    // One's own message appears once, and confirmed by the server.
    const own = alice.message("alice", "hello <b>bob</b> 👋");
    const confirmed = async () => (await own.getAttribute("data-pending")) !== "true";
    await eventually(() => "the own message confirmed", confirmed);
    assert.equal(await own.count(), 1);
    assert.match(await own.getAttribute("data-id"), /./);
    assert.equal(await alice.get("message-input").inputValue(), "");
  });

  await step("an image goes from one to the other", async () => {
    const side = 96;
    const picture = { name: "gradient.png", mimeType: "image/png", buffer: png(side) };
    await alice.get("image-input").setInputFiles(picture);
    for (const tab of [bob, alice]) {
      const image = tab.get("image");
      await image.waitFor();
      const size = await eventually(
        () => "the image decoded",
        () => image.evaluate((node) => node.complete && [node.naturalWidth, node.naturalHeight]),
      );
      assert.deepEqual(size, [side, side]);
    }
    // Not only a picture: the very same bytes.
    const received = await bob.get("image").evaluate(async (node) => {
      const response = await fetch(node.src);
      return [...new Uint8Array(await response.arrayBuffer())];
    });
    assert.ok(Buffer.from(received).equals(picture.buffer));
  });

  await step("the latency is a number", async () => {
    const shown = async () => /^\d[\d.,]*\s*ms$/.test((await alice.get("latency").textContent()).trim());
    await eventually(() => "a latency in ms", shown);
  });

  await step("another tab of bob is no news", async () => {
    tabs.again = await Tab.open(context, server);
    await tabs.again.enter("bob", "lobby");
    await tabs.again.get("message-input").fill("from my other tab");
    await tabs.again.get("send").click();
    await alice.message("bob", "from my other tab").waitFor();
    assert.equal(await alice.arrivals("bob"), 1);
    assert.equal(await alice.member("bob").count(), 1);
    await tabs.again.page.close();
    delete tabs.again;
    const closed = async () => (await server.stats()).total_connections === 2;
    await eventually(() => "the other tab's connection closed", closed);
  });

  await step("leaving and coming back", async () => {
    await bob.get("disconnect").click();
    await alice.member("bob").waitFor({ state: "detached" });
    await bob.get("connect").click();
    await bob.connected();
    await alice.member("bob").waitFor();
  });

  await step("the dashboard draws", async () => {
    await alice.get("dashboard-tab").click();
    for (const name of ["connections", "messages", "rooms"]) {
      const chart = alice.get(`chart-${name}`);
      await chart.waitFor();
      // The longest line of the chart; it grows and moves once a second.
      const line = () => chart.locator("svg path").evaluateAll((paths) =>
        paths.map((path) => path.getAttribute("d") ?? "").reduce((a, b) => (a.length > b.length ? a : b), ""),
      );
      const points = (path) => (path.match(/[ML]/g) ?? []).length;
      const first = await eventually(() => `a line in ${name}`, async () => {
        const path = await line();
        return points(path) >= 3 && path;
      });
      await eventually(() => `the line in ${name} moves`, async () => (await line()) !== first);
      const labels = await chart.locator("svg text").allTextContents();
      assert.ok(labels.filter((label) => /\d/.test(label)).length >= 3, `axes with numbers: ${labels}`);
    }
    // alice, bob, and the dashboard's connection.
    const counted = async () => (await alice.get("stat-connections").textContent()).trim() === "3";
    await eventually(() => "three connections on the dashboard", counted);
    assert.doesNotMatch(await alice.page.locator("[data-testid^=stat-]").allTextContents().then(String), /NaN|undefined/);
    assert.equal((await server.stats()).total_connections, 3);
  });

  await step("a full room says so", async () => {
    const fill = bob.get("fill-room");
    if (!(await fill.isVisible())) await bob.page.locator("details", { has: fill }).locator("summary").click();
    await fill.click();
    const result = bob.get("fill-result");
    await result.filter({ hasText: "lobby_full" }).waitFor();
    const text = await result.textContent();
    assert.match(text, /4002/);
    // Six seats, two of them taken.
    assert.match(text, /\b4\b/);
  });

  assert.deepEqual([...asked], [new URL(server.url).host], "no request to another host");
  assert.deepEqual([...alice.problems, ...bob.problems], [], "nothing went wrong on the pages");

  await step("the drain is announced", async () => {
    // Watched from before the signal, because the wait may be short.
    const announced = bob.get("banner").filter({ hasText: /restart|reconnect/i }).waitFor();
    const [end] = await Promise.all([server.terminate(), announced]);
    assert.deepEqual([end.code, end.signal], [0, null]);
    assert.doesNotMatch(await bob.get("state").textContent(), /^connected/i);
  });
});

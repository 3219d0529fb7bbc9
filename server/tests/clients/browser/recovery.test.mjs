// The browser client behind a network that fails again and again, and a server that restarts once.
// What it saw is compared, position by position, with what a member with a stable connection saw.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Server, eventually, position } from "../node/harness.mjs";
import { Tab, browse } from "./chromium.mjs";
import { Network } from "./proxy.mjs";

const ROOM = "stream";
/** How often each kind of failure happens. */
const FAILURES_OF_A_KIND = Number(process.env.RECOVERY_FAILURES ?? 20);
const RECOVERY_MS = 30_000;

const CONFIG = `
[limits]
messages_per_second = 0
[rooms.""]
history_events = 100000
[heartbeat]
interval = "300ms"
stale_after = "1s"
`;

/** Runs in the page and collects its results in `window.story`. */
async function tellStory(room) {
  const { Client } = await import("/switchboard-client.js");
  class CountingSocket extends WebSocket {
    send(data) {
      story.transmitted += data.includes('"type":"news"') ? 1 : 0;
      super.send(data);
    }
  }
  const client = new Client("/ws", { user: "page", min_backoff_ms: 20, max_backoff_ms: 200, WebSocket: CountingSocket });
  const stream = client.room(room);
  const story = { seen: [], entries: 0, losses: 0, sent: 0, transmitted: 0, acked: {}, failed: [], last: "" };
  client.on("state", ({ state }) => {
    story.entered = false;
    story.losses += state === "waiting" ? 1 : 0;
  });
  client.on("error", (error) => story.failed.push(String(error)));
  stream.on("joined", ({ position, recovered }) => {
    story.entered = true;
    story.entries += 1;
    story.seen.push({ joined: position, recovered });
  });
  stream.on("message", ({ event_id, from, payload, own }) => {
    story.last = event_id;
    story.seen.push({ event_id, from, n: payload.n, own });
  });
  stream.on("refresh", ({ position, reason }) => story.seen.push({ refresh: position, reason }));
  stream.on("gap", ({ position }) => story.seen.push({ gap: position }));
  story.send = (count) => {
    for (let i = 0; i < count; i += 1) {
      const n = (story.sent += 1);
      stream.send("news", { n }).then(
        ({ event_id }) => (story.acked[n] = event_id),
        (error) => story.failed.push(`${n}: ${error}`),
      );
    }
  };
  window.story = story;
  client.connect();
  await stream.join();
}

/** A page with the client, behind a network that only it uses. */
class Reader {
  static async open(t, server) {
    const reader = new Reader();
    reader.network = await Network.start(t, server.port);
    reader.tab = await Tab.open(await browse(t), reader.network);
    reader.devtools = await reader.tab.page.context().newCDPSession(reader.tab.page);
    await reader.tab.page.evaluate(tellStory, ROOM);
    return reader;
  }

  look(read) {
    return this.tab.page.evaluate(read);
  }

  send(count) {
    return this.tab.page.evaluate((many) => window.story.send(many), count);
  }

  /** The browser's own offline switch, which fires the events `offline` and `online`. */
  async setOffline(offline) {
    const rates = { latency: 0, downloadThroughput: -1, uploadThroughput: -1 };
    await this.devtools.send("Network.emulateNetworkConditions", { offline, ...rates });
    await eventually(() => `offline: ${offline}`, async () => (await this.look(() => navigator.onLine)) !== offline);
  }

  /** Waits until the client has noticed what `fail` does to its connection. */
  async losing(fail) {
    const losses = await this.look(() => window.story.losses);
    await fail();
    await eventually(() => "the loss noticed", async () => (await this.look(() => window.story.losses)) > losses, RECOVERY_MS);
  }

  async until(what, probe) {
    const state = async () => JSON.stringify(await this.look(() => ({ ...window.story, seen: window.story.seen.slice(-5), acked: 0 })));
    await eventually(() => what, () => this.look(probe), RECOVERY_MS).catch(async (error) => {
      throw new Error(`${error.message}; the page: ${await state()}`);
    });
  }

  /** Waits until everything the page sent is published, and the page has seen every publication. */
  async caughtUp(publisher) {
    await this.until("an answer to everything", () => Object.keys(window.story.acked).length === window.story.sent);
    const last = await publisher.collect();
    await eventually(() => `the page at ${last}`, async () => (await this.look(() => window.story.last)) === last, RECOVERY_MS);
  }
}

/** A member with a good connection: it publishes, and its inbox is the reference for the room. */
class Publisher {
  #count = 0;
  #last;
  /** By epoch, then by offset. */
  logs = new Map();

  async enter(server) {
    this.client = await server.connect("/ws?user=publisher");
    await this.client.join(ROOM);
  }

  async publish(count) {
    for (let i = 0; i < count; i += 1) {
      const answer = await this.client.ask({ type: "news", room: ROOM, payload: { n: (this.#count += 1) } });
      assert.equal(answer.type, "ack", JSON.stringify(answer));
    }
  }

  /** Takes everything published so far; returns the last position. */
  async collect() {
    await this.client.fence(ROOM);
    for (const { event_id, from, payload } of this.client.unread({ type: "news" })) {
      const { epoch, offset } = position(event_id);
      if (!this.logs.has(epoch)) this.logs.set(epoch, []);
      assert.equal(this.logs.get(epoch).push({ event_id, from, n: payload.n }), offset, "the publisher missed nothing");
      this.#last = event_id;
    }
    return this.#last;
  }
}

/** The kinds of failures; each restores the network at the end. */
const FAILURES = {
  async reset(reader) {
    await reader.losing(() => reader.network.reset());
  },
  async "switched off and on"(reader, meanwhile) {
    await reader.setOffline(true);
    await meanwhile();
    await reader.setOffline(false);
  },
  async "switched off and cut"(reader, meanwhile) {
    await reader.setOffline(true);
    reader.network.up = false;
    await reader.losing(() => reader.network.reset());
    await meanwhile();
    reader.network.up = true;
    await reader.setOffline(false);
  },
  async silence(reader, meanwhile) {
    await reader.losing(async () => {
      reader.network.freeze();
      await meanwhile();
    });
  },
};

/** Compares the page's stream with the room's logs. */
function judge(seen, logs) {
  const result = { delivered: 0, own: 0, repeated: 0, missing: 0, wrong: 0, gaps: 0, refreshes: 0, marked: 0, resumed: 0 };
  const length = (epoch) => logs.get(epoch)?.length ?? 0;
  let at = position(seen[0].joined);
  for (const entry of seen) {
    if (entry.refresh !== undefined) {
      const next = position(entry.refresh);
      result.refreshes += 1;
      result.marked += next.epoch === at.epoch ? next.offset - at.offset : length(at.epoch) - at.offset + next.offset;
      at = next;
    } else if (entry.event_id !== undefined) {
      const next = position(entry.event_id);
      const { event_id: id, from, n } = logs.get(next.epoch)?.[next.offset - 1] ?? {};
      const isRight = next.epoch === at.epoch && entry.event_id === id && entry.from === from && entry.n === n && entry.own === (from === "page");
      result.wrong += isRight ? 0 : 1;
      result.repeated += next.offset <= at.offset ? 1 : 0;
      result.missing += Math.max(0, next.offset - at.offset - 1);
      result.delivered += 1;
      result.own += entry.own ? 1 : 0;
      at = next;
    } else {
      result.gaps += entry.gap === undefined ? 0 : 1;
      result.resumed += entry.recovered ? 1 : 0;
    }
  }
  result.missing += length(at.epoch) - at.offset;
  return result;
}

test("a page whose network fails again and again sees every message once and in order, or is told", async (t) => {
  let server = await Server.start(t, CONFIG);
  const publisher = new Publisher();
  await publisher.enter(server);
  const reader = await Reader.open(t, server);

  const lost = {};
  const failAll = async () => {
    for (let round = 0; round < FAILURES_OF_A_KIND / 2; round += 1) {
      for (const [kind, fail] of Object.entries(FAILURES)) {
        await reader.until("the room entered", () => window.story.entered);
        // The failure happens while both are sending, each time at another moment.
        const talking = Promise.all([publisher.publish(8), reader.send(4)]);
        await publisher.client.fence(ROOM);
        if (round % 2 > 0) await talking;
        const before = await reader.look(() => window.story.losses);
        await fail(reader, async () => {
          await reader.send(2);
          await publisher.publish(4);
        });
        lost[kind] = (lost[kind] ?? 0) + (await reader.look(() => window.story.losses)) - before;
        await talking;
        // Every other time, the next failure hits a client that is still catching up.
        if (round % 2 > 0) await reader.caughtUp(publisher);
      }
    }
    await reader.caughtUp(publisher);
  };

  await failAll();
  // All calls of the page have been answered by now: the next server would not recognise a
  // repetition.
  reader.network.up = false;
  reader.network.reset();
  await publisher.publish(7);
  await publisher.collect();
  await reader.send(3);
  await server.terminate();
  server = await Server.start(t, CONFIG);
  await publisher.enter(server);
  await publisher.publish(5);
  reader.network.target = server.port;
  reader.network.up = true;
  await reader.until("a refresh", () => window.story.seen.some(({ refresh }) => refresh));
  await failAll();

  const story = await reader.look(() => ({ ...window.story, send: undefined }));
  const published = [...publisher.logs.values()].flat();
  const result = judge(story.seen, publisher.logs);
  const again = story.transmitted - story.sent;
  t.diagnostic(`published ${published.length}, of these by the page ${story.sent}, which sent ${again} of them again`);
  for (const kind of Object.keys(FAILURES)) {
    t.diagnostic(`network failed by "${kind}" ${FAILURES_OF_A_KIND} times: ${lost[kind]} losses`);
  }
  t.diagnostic(`server restarted once; losses ${story.losses}, entries ${story.entries}, of these resumed ${result.resumed}`);
  t.diagnostic(`delivered ${result.delivered} (own ${result.own}), repeated ${result.repeated}, out of place ${result.wrong}, missing ${result.missing}`);
  t.diagnostic(`refreshed ${result.refreshes}, which told of ${result.marked} messages`);

  assert.deepEqual(story.failed, []);
  assert.deepEqual([result.repeated, result.wrong, result.missing, result.gaps], [0, 0, 0, 0]);
  assert.equal(result.refreshes, 1);
  assert.equal(result.delivered + result.marked, published.length);
  // Every own message appears once, in the order of sending, at the position of its ack.
  const own = published.filter(({ from }) => from === "page");
  assert.deepEqual(own.map(({ n }) => n), Array.from({ length: story.sent }, (_, index) => index + 1));
  assert.deepEqual(own.map(({ event_id }) => event_id), own.map(({ n }) => story.acked[n]));
  assert.ok(again > 0 && result.resumed >= 2 * FAILURES_OF_A_KIND, `${again} sent again, ${result.resumed} resumed`);
  assert.deepEqual(reader.tab.problems.filter((text) => !/WebSocket connection to|ERR_INTERNET_DISCONNECTED/.test(text)), []);
});

// A member that stops reading: no other member notices, memory stays bounded, and it is told what
// it missed.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Server, eventually, percentile, position } from "./harness.mjs";

const config = (overflow) => `
[limits]
max_per_room = 20
messages_per_second = 0
outbox_bytes = 262144
outbox_messages = 256
[rooms."busy:"]
presence = false
overflow = "${overflow}"
`;
const ROOM = "busy:street";
const BODY = "x".repeat(16 * 1024);
// 24 MiB: the system's own buffers for a connection hold less.
const MESSAGES = 1_500;

/** A speaker and three healthy members, and the latency that they see. */
class Street {
  sent = 0;

  static async open(t, overflow) {
    const street = new Street();
    street.server = await Server.start(t, config(overflow));
    const enter = (user) => street.server.connect(`/ws/${ROOM}?user=${user}`);
    street.speaker = await enter("speaker");
    street.members = await Promise.all(["ann", "ben", "cem"].map(enter));
    street.slow = await enter("slow");
    return street;
  }

  /**
   * Sends one message at a time, each when all healthy members have the previous one; returns
   * latencies in ms.
   */
  async speak(count, { key = () => undefined, stop = () => false } = {}) {
    const latencies = [];
    let peak = 0;
    for (let n = 0; n < count && !stop(); n += 1) {
      this.sent += 1;
      const payload = { n: this.sent, body: BODY };
      const start = performance.now();
      this.speaker.send({ type: "news", key: key(n), payload });
      await Promise.all([this.speaker, ...this.members].map(async (member) => {
        const news = await member.next({ type: "news" });
        assert.equal(news.payload.n, this.sent, "in order, nothing lost");
        latencies.push(performance.now() - start);
      }));
      if (n % 50 === 0) peak = Math.max(peak, this.server.memory());
    }
    return { latencies, peak: Math.max(peak, this.server.memory()) };
  }

  /**
   * Measures the others while one member does not read: compares with before, and checks the
   * memory. The slow member stays paused.
   */
  async compare(t, options) {
    const before = await this.speak(300);
    await this.slow.take(300, (message) => message.type === "news");
    const memory = this.server.memory();
    this.slow.socket.pause();
    const during = await this.speak(MESSAGES, options);
    for (const share of [0.5, 0.95]) {
      const [was, is] = [before, during].map(({ latencies }) => percentile(latencies, share));
      t.diagnostic(`p${share * 100}: ${was.toFixed(2)} ms before, ${is.toFixed(2)} ms while one does not read`);
      assert.ok(is <= 5 * was + 20, `p${share * 100} went from ${was} ms to ${is} ms`);
    }
    const growth = (during.peak - memory) / 1024 / 1024;
    t.diagnostic(`the server grew by ${growth.toFixed(1)} MiB`);
    assert.ok(growth < 32, `the server grew by ${growth} MiB`);
  }

  /** Lets the slow member read up to the newest message, which is never the one that is dropped. */
  async catchUp() {
    const last = (await this.speaker.ask({ type: "join", room: ROOM })).position;
    const end = position(last).offset;
    assert.equal(end, this.sent);
    const received = [];
    const gaps = [];
    let at = 300;
    let dropped = 0;
    this.slow.socket.resume();
    while (at < end) {
      const message = await this.slow.next((one) => one.type === "news" || one.type === "gap", 30_000);
      if (message.type === "gap") {
        const [since, to] = [position(message.since).offset, position(message.position).offset];
        assert.ok(message.dropped > 0 && since < to && message.dropped <= to - since, JSON.stringify(message));
        gaps.push({ since, to });
        dropped += message.dropped;
        continue;
      }
      const { offset } = position(message.event_id);
      assert.ok(offset > at, `${offset} after ${at}: never back, never twice`);
      received.push(message);
      at = offset;
      const known = 300 + received.length + dropped;
      assert.ok(known >= at, `at ${at}, only ${known} came or were announced: a hole is told before what follows it`);
    }
    await this.slow.fence(ROOM);
    assert.deepEqual(this.slow.unread({ type: "news" }), []);
    assert.deepEqual(this.slow.unread({ type: "gap" }), []);
    assert.ok(dropped > 0, "so much was sent that something had to be dropped");
    assert.equal(received.length + dropped, this.sent - 300, "received and dropped are all there was");
    return { received, gaps };
  }
}

test("overflow = close: the slow one is closed with 4008, the others notice nothing", async (t) => {
  const street = await Street.open(t, "close");
  const { server, slow } = street;
  const stuck = await server.connect(`/ws/${ROOM}?user=stuck`);
  stuck.socket.pause();
  await street.compare(t);
  slow.socket.resume();
  assert.deepEqual(await slow.closed(30_000), { code: 4008, reason: "slow_consumer" });
  const seen = slow.unread({ type: "news" }).map((message) => position(message.event_id).offset);
  assert.deepEqual(seen, seen.map((_, n) => 301 + n), "until then in order, without holes");
  // One that never reads again loses its seat as well.
  const left = async () => (await server.stats()).total_connections === 4;
  await eventually(() => "only the healthy members are left", left, 30_000);
});

test("overflow = drop_oldest: the slow one is told exactly how much it missed", async (t) => {
  const street = await Street.open(t, "drop_oldest");
  await street.compare(t);
  const { received, gaps } = await street.catchUp();
  // Every hole is covered by a gap, and no gap covers a message that arrived.
  const came = new Set(received.map((message) => position(message.event_id).offset));
  const inGap = (offset) => gaps.some((gap) => offset > gap.since && offset <= gap.to);
  for (let offset = 301; offset <= street.sent; offset += 1) {
    assert.notEqual(came.has(offset), inGap(offset), `offset ${offset} either came or was announced as dropped`);
  }
  assert.ok(came.has(street.sent), "the newest is there");
  // It continues as an ordinary member.
  await street.speak(20);
  assert.equal((await street.slow.take(20, (message) => message.type === "news")).length, 20);
});

test("overflow = conflate: the slow one gets the newest of every key", async (t) => {
  const street = await Street.open(t, "conflate");
  // One key is written only once, long after the slow member's buffers are full and long before the
  // end.
  const once = 1_000;
  const busy = 5;
  await street.compare(t, { key: (n) => (n === once ? "seldom" : `busy${n % busy}`) });
  const { received } = await street.catchUp();
  const came = received.map((message) => message.payload.n);
  const newest = Array.from({ length: busy }, (_, n) => street.sent - busy + 1 + n);
  assert.deepEqual(came.slice(-busy), newest);
  assert.ok(came.includes(300 + once + 1), "a key's newest stays, however old it is");
});

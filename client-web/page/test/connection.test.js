import assert from "node:assert/strict";
import { test } from "node:test";

import { closeMeaning } from "../closes.js";
import { backoffCeiling, backoffDelay, Connection, nameProblem, socketUrl } from "../connection.js";

const HELLO = { type: "connected", user: "alice", limits: { max_message_bytes: 1000 } };

/** A connection over sockets and timers that only move when the test says so; the jitter always takes the whole interval. */
function harness(options = {}) {
  const sockets = [];
  const timers = new Map();
  let now = 0;

  class FakeSocket extends EventTarget {
    static OPEN = 1;
    readyState = 0;
    sent = [];
    constructor(url, protocols) {
      super();
      if (protocols.some((protocol) => protocol.includes(" "))) {
        throw new SyntaxError("bad protocol");
      }
      Object.assign(this, { url, protocols });
      sockets.push(this);
    }
    send(data) {
      this.sent.push(data);
    }
    close(code) {
      this.closedWith = code;
      this.readyState = 3;
    }
    receive(message) {
      this.readyState = 1;
      const data = typeof message === "object" && !(message instanceof ArrayBuffer) ? JSON.stringify(message) : message;
      this.dispatchEvent(Object.assign(new Event("message"), { data }));
    }
    fail(code, reason = "") {
      this.readyState = 3;
      this.dispatchEvent(Object.assign(new Event("close"), { code, reason }));
    }
  }

  let nextTimer = 1;
  const platform = {
    WebSocket: FakeSocket,
    setTimeout(action, ms) {
      timers.set(nextTimer, { at: now + ms, action });
      return nextTimer++;
    },
    clearTimeout: (id) => timers.delete(id),
    now: () => now,
    random: () => 1,
  };
  const connection = new Connection({ url: "ws://host/ws/lobby?user=alice", platform, ...options });
  const seen = [];
  for (const type of ["message", "frame", "unreadable"]) {
    connection.addEventListener(type, ({ detail }) => seen.push([type, detail]));
  }
  return {
    connection,
    sockets,
    seen,
    last: () => sockets.at(-1),
    advance(ms) {
      now += ms;
      for (const [id, { at, action }] of [...timers]) {
        if (at <= now && timers.delete(id)) {
          action();
        }
      }
    },
    wait: () => connection.state.retryAt - now,
    pendingTimers: () => timers.size,
  };
}

test("the ceiling doubles from 1 s to 30 s", () => {
  assert.deepEqual([0, 1, 2, 3, 4, 5, 6, 2000].map(backoffCeiling), [1000, 2000, 4000, 8000, 16000, 30000, 30000, 30000]);
});

test("the delay is jittered over the whole interval", () => {
  assert.equal(backoffDelay(3, () => 0), 0);
  assert.equal(backoffDelay(3, () => 0.5), 4000);
  assert.ok(backoffDelay(3, () => 0.999999) <= 8000);
});

test("the address percent-encodes room and user and follows the page's scheme", () => {
  assert.equal(
    socketUrl({ protocol: "http:", host: "example.test:8080" }, "a/b c", "jö&rg"),
    "ws://example.test:8080/ws/a%2Fb%20c?user=j%C3%B6%26rg",
  );
  assert.equal(socketUrl({ protocol: "https:", host: "example.test" }, "x", "y"), "wss://example.test/ws/x?user=y");
});

test("names that cannot be sent are found before they are", () => {
  assert.equal(nameProblem("lobby", "room"), undefined);
  assert.equal(nameProblem("ö".repeat(64), "room"), undefined);
  assert.match(nameProblem("", "room"), /missing/);
  assert.match(nameProblem("ö".repeat(65), "room"), /too long/);
  assert.match(nameProblem("a\u0007", "room"), /cannot be sent/);
  assert.match(nameProblem("\ud800", "name"), /cannot be sent/);
  assert.match(nameProblem("..", "room"), /cannot be/);
});

test("it is connected when greeted, not when the socket opens", () => {
  const { connection, last } = harness();
  connection.start();
  assert.equal(connection.state.phase, "connecting");
  assert.equal(connection.send("early"), false);
  last().receive(HELLO);
  assert.equal(connection.state.phase, "connected");
  assert.equal(connection.limits.max_message_bytes, 1000);
  assert.equal(connection.send("now"), true);
  assert.deepEqual(last().sent, ["now"]);
});

test("the token travels as a subprotocol and never in the address", () => {
  const { connection, last } = harness({ token: "abc.def" });
  connection.start();
  assert.deepEqual(last().protocols, ["switchboard", "bearer.abc.def"]);
  assert.ok(!last().url.includes("abc"));
});

test("a token that cannot be a subprotocol closes for good", () => {
  const { connection } = harness({ token: "a b" });
  connection.start();
  assert.equal(connection.state.phase, "closed");
  assert.match(connection.state.text, /token/);
});

test("a health_ping is answered with the same timestamp", () => {
  const { connection, last } = harness();
  connection.start();
  last().receive(HELLO);
  last().receive({ type: "health_ping", timestamp: 17.5 });
  assert.deepEqual(last().sent.map(JSON.parse), [{ type: "health_pong", timestamp: 17.5 }]);
});

test("failure after failure waits longer, and the wait starts anew after a stable connection", () => {
  const { connection, last, advance, wait } = harness();
  connection.start();
  const waits = [];
  for (let round = 0; round < 7; round += 1) {
    last().fail(1006);
    waits.push(wait());
    advance(wait());
  }
  assert.deepEqual(waits, [1000, 2000, 4000, 8000, 16000, 30000, 30000]);
  last().receive(HELLO);
  advance(10_000);
  last().fail(1006);
  assert.equal(wait(), 1000);
});

test("a server that greets and hangs up at once is not dialled in a tight loop", () => {
  const { connection, last, advance, wait } = harness();
  connection.start();
  const waits = [];
  for (let round = 0; round < 3; round += 1) {
    last().receive(HELLO);
    last().fail(1011);
    waits.push(wait());
    advance(wait());
  }
  assert.deepEqual(waits, [1000, 2000, 4000]);
});

test("`draining` says when to come back, once", () => {
  const { connection, last, advance, wait } = harness();
  connection.start();
  last().receive(HELLO);
  last().receive({ type: "draining", retry_after_ms: 1250 });
  advance(250);
  last().fail(1001, "draining");
  assert.equal(wait(), 1000);
  assert.match(connection.state.text, /restarting/);
  advance(1000);
  last().fail(1006);
  assert.equal(wait(), 1000);
});

test("capacity and rate limits begin with a longer wait", () => {
  for (const code of [4002, 4029]) {
    const { connection, last, wait } = harness();
    connection.start();
    last().fail(code, "lobby_full");
    assert.equal(wait(), 4000, `${code}`);
  }
});

test("some closes are final", () => {
  for (const code of [1000, 1002, 1003, 1007, 4001, 4003, 4004]) {
    const { connection, last, pendingTimers } = harness();
    connection.start();
    last().fail(code);
    assert.equal(connection.state.phase, "closed", `${code}`);
    assert.equal(pendingTimers(), 0);
  }
});

test("try now does not wait", () => {
  const { connection, sockets, last } = harness();
  connection.start();
  connection.retryNow();
  assert.equal(sockets.length, 1);
  last().fail(4002, "lobby_full");
  connection.retryNow();
  assert.equal(sockets.length, 2);
  assert.equal(connection.state.phase, "connecting");
  assert.match(connection.state.text, /room is full/);
});

test("stop closes with 1000, and what the old socket still says is not heard", () => {
  const { connection, last, seen, pendingTimers } = harness();
  connection.start();
  last().receive(HELLO);
  const heard = seen.length;
  connection.stop();
  assert.equal(last().closedWith, 1000);
  assert.equal(connection.state.phase, "closed");
  last().receive({ type: "chat", payload: {} });
  last().fail(1006);
  assert.equal(seen.length, heard);
  assert.equal(connection.state.phase, "closed");
  assert.equal(pendingTimers(), 0);
});

test("a server that never greets is given up", () => {
  const { connection, last, advance } = harness();
  connection.start();
  advance(10_000);
  assert.equal(last().readyState, 3);
  assert.equal(connection.state.phase, "waiting");
});

test("what cannot be read is reported and the connection stays", () => {
  const { connection, last, seen } = harness();
  connection.start();
  last().receive(HELLO);
  for (const bad of ["{", "null", "[]", '"text"', new ArrayBuffer(3)]) {
    last().receive(bad);
  }
  assert.deepEqual(seen.map(([type]) => type), ["message", ...Array(5).fill("unreadable")]);
  assert.equal(connection.state.phase, "connected");
});

test("every close code of the protocol has a sentence, and a wait where there is one", () => {
  const codes = [1000, 1001, 1002, 1003, 1006, 1007, 1008, 1009, 1011, 4001, 4002, 4003, 4004, 4008, 4010, 4029, 4999];
  for (const code of codes) {
    const { retry, text } = closeMeaning(code);
    assert.match(text, /^[A-Z“].*\.$/, `${code}`);
    assert.equal(text.includes("{when}"), retry !== "never", `${code}`);
  }
  for (const reason of ["server_full", "lobby_full", "user_limit"]) {
    assert.notEqual(closeMeaning(4002, reason).text, closeMeaning(4002).text);
  }
  assert.equal(closeMeaning(4002, "toString").text, closeMeaning(4002).text);
});

// Admission limits: three connections in all, two in a room, two of a user.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Server, eventually, refusal, turn, upgradeHead } from "./harness.mjs";

const CAPS = `
[limits]
max_connections = 3
max_per_room = 2
max_per_user = 2
`;
const CROWD = 50;

/** Both ways of refusing: returns the reason, after checking everything around it. */
const ANSWERS = {
  close: (outcome) => {
    assert.ok(outcome.closed, `accepted and closed: ${JSON.stringify(outcome)}`);
    assert.equal(outcome.closed.code, 4002);
    return outcome.closed.reason;
  },
  http: (outcome) => {
    assert.ok(outcome.refused, `refused by HTTP: ${JSON.stringify(outcome)}`);
    assert.equal(outcome.refused.status, 503);
    assert.match(outcome.refused.headers["retry-after"], /^[1-9][0-9]*$/);
    return refusal(outcome.refused);
  },
};

for (const [answer, reasonOf] of Object.entries(ANSWERS)) {
  const config = `${CAPS}[capacity]\nanswer = "${answer}"\n`;
  const refused = async (server, path) => reasonOf(await server.dial(path).outcome());

  test(`the right client is refused for the right reason (${answer})`, async (t) => {
    const server = await Server.start(t, config);
    const alice = await server.connect("/ws/red?user=alice");
    await server.connect("/ws/red?user=bob");
    assert.equal(await refused(server, "/ws/red?user=carol"), "lobby_full");

    const second = await server.connect("/ws/blue?user=alice");
    assert.equal(await refused(server, "/ws/green?user=dora"), "server_full");
    // If all three are full, the widest limit is reported.
    assert.equal(await refused(server, "/ws/red?user=alice"), "server_full");
    await second.close();
    await server.connect("/ws?user=carol");
    assert.equal(await refused(server, "/ws?user=dora"), "server_full");

    const stats = await server.stats();
    assert.equal(stats.total_connections, 3);
    assert.equal(stats.max_connections, 3);
    assert.equal(stats.capacity_percent, 100);
    assert.equal((await alice.ask({ type: "chat", payload: "undisturbed" })).type, "ack");
  });

  test(`a user's third connection is refused (${answer})`, async (t) => {
    const server = await Server.start(t, config);
    await server.connect("/ws/red?user=alice");
    const second = await server.connect("/ws/blue?user=alice");
    assert.equal(await refused(server, "/ws/green?user=alice"), "user_limit");
    await server.connect("/ws/green?user=bob");
    await second.close();
    await server.connect("/ws/green?user=alice");
  });

  const crowds = {
    "the server": { cap: 3, reason: "server_full", path: (n) => `/ws/room${n}?user=user${n}` },
    "a room": { cap: 2, reason: "lobby_full", path: (n) => `/ws/red?user=user${n}` },
    "a user": { cap: 2, reason: "user_limit", path: (n) => `/ws/room${n}?user=alice` },
  };
  for (const [what, { cap, reason, path }] of Object.entries(crowds)) {
    test(`${CROWD} at the same instant: exactly ${cap} get into ${what} (${answer})`, async (t) => {
      const server = await Server.start(t, config);
      const all = Array.from({ length: CROWD }, (_, n) => server.dial(path(n)));
      const outcomes = await Promise.all(all.map((client) => client.outcome()));
      const inside = outcomes.filter((outcome) => outcome.client);
      assert.equal(inside.length, cap);
      const reasons = outcomes.filter((outcome) => !outcome.client).map(reasonOf);
      assert.deepEqual([...new Set(reasons)], [reason]);
      assert.equal((await server.stats()).total_connections, cap);
      for (const { client } of inside) assert.ok(client.open, "who is in stays in");

      // Refused clients leave nothing behind: as many seats are free as before.
      await Promise.all(inside.map(({ client }) => client.close()));
      await server.empty();
      const next = Array.from({ length: cap }, (_, n) => server.connect(path(n)));
      await Promise.all(next);
    });
  }
}

test("joining by message keeps to the room's cap", async (t) => {
  const server = await Server.start(t, CAPS);
  await server.connect("/ws/red?user=alice");
  const bob = await server.connect("/ws/red?user=bob");
  const carol = await server.connect("/ws?user=carol");
  const full = await carol.ask({ type: "join", room: "red" });
  assert.deepEqual([full.type, full.code], ["error", "lobby_full"]);
  await bob.ask({ type: "leave", room: "red" });
  await carol.join("red");
  const back = await bob.ask({ type: "join", room: "red" });
  assert.deepEqual([back.type, back.code], ["error", "lobby_full"]);
});

test("a closed connection frees its seat at once", async (t) => {
  const server = await Server.start(t, CAPS);
  await server.connect("/ws/red?user=alice");
  // No waiting and no second try: the close has been answered, so the seat is free.
  for (let n = 0; n < 20; n += 1) {
    const guest = await server.connect(`/ws/red?user=guest${n}`);
    assert.equal((await guest.close()).code, 1000);
  }
  // Without a close frame, the server learns of it from the system.
  for (let n = 0; n < 20; n += 1) {
    const guest = await server.connect(`/ws/red?user=guest${n}`);
    guest.destroy();
    await guest.gone;
    const counted = async () => (await server.stats()).total_connections === 1;
    await eventually(() => "the lost connection's seat", counted, 2_000);
  }
});

test("handshakes that never finish leave no seat taken", async (t) => {
  const server = await Server.start(t, CAPS);
  const head = (n) => upgradeHead(`/ws/red?user=ghost${n}`);
  for (let n = 0; n < 60; n += 1) {
    const raw = await server.raw();
    switch (n % 4) {
      case 0: // in the middle of the head
        await raw.write(head(n).slice(0, 60));
        raw.destroy();
        break;
      case 1: // just after the head, politely
        await raw.write(head(n));
        raw.destroy();
        break;
      case 2: // just after the head, with a reset
        await raw.write(head(n));
        raw.socket.resetAndDestroy();
        break;
      case 3: // a head that is refused
        await raw.write(upgradeHead(`/ws/red?user=ghost${n}`, { headers: { "Sec-WebSocket-Key": "short" } }));
        assert.equal((await raw.answer()).status, 400);
        raw.destroy();
        break;
    }
    await turn();
  }
  // An incomplete head that stays open, too: it has no seat yet.
  const halves = await Promise.all(Array.from({ length: 10 }, () => server.raw()));
  await Promise.all(halves.map((raw, n) => raw.write(head(n).slice(0, 80))));

  await server.empty();
  await server.connect("/ws/red?user=alice");
  await server.connect("/ws/red?user=bob");
  await server.connect("/ws/blue?user=alice");
  assert.equal((await server.stats()).total_connections, 3);
});

// Tokens are checked before the upgrade, however they are sent, and are never logged.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { createHmac } from "node:crypto";
import { test } from "node:test";
import { promisify } from "node:util";
import { Server, refusal } from "./harness.mjs";

const SECRET = "an example secret that is long enough";
const CONFIG = `
[auth]
mode = "jwt"
hs256_secret = "${SECRET}"
[log]
level = "debug"
`;

const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");

function signed(claims, secret = SECRET) {
  const text = `${part({ alg: "HS256", typ: "JWT" })}.${part(claims)}`;
  return `${text}.${createHmac("sha256", secret).update(text).digest("base64url")}`;
}

async function prepare(t) {
  const server = await Server.start(t, CONFIG);
  const good = (await server.command("token", "--user", "alice")).trim();
  assert.match(good, /^[\w-]+\.[\w-]+\.[\w-]+$/, "`switchboard token` prints one token and nothing else");
  const claims = JSON.parse(Buffer.from(good.split(".")[1], "base64url"));
  const hour = Math.floor(Date.now() / 1000) - 3600;
  const { sub, ...nobody } = claims;
  assert.equal(sub, "alice");
  const bad = {
    "no token": undefined,
    "no JWT at all": "abc",
    "another secret": signed(claims, "another secret, also long enough"),
    "a changed claim": [good.split(".")[0], part({ ...claims, sub: "mallory" }), good.split(".")[2]].join("."),
    "no signature (alg none)": `${part({ alg: "none", typ: "JWT" })}.${part(claims)}.`,
    "an hour too old": signed({ ...claims, iat: hour - 60, exp: hour }),
    "no user": signed({ ...nobody, exp: hour + 7200 }),
  };
  return { server, good, claims, bad };
}

const carried = {
  "the Authorization header": (token) => ["/ws/lobby", { headers: { Authorization: `Bearer ${token}` } }],
  "a subprotocol": (token) => ["/ws/lobby", { protocols: ["switchboard", `bearer.${token}`] }],
  "the query": (token) => [`/ws/lobby?token=${token}`, {}],
};

const UPGRADE = {
  Connection: "Upgrade",
  Upgrade: "websocket",
  "Sec-WebSocket-Version": "13",
  "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
};

test("a good token opens the connection, however it is sent", async (t) => {
  const { server, good, claims } = await prepare(t);
  // This file signs exactly like the server, so that the bad tokens below fail for the stated
  // reason.
  for (const token of [good, signed(claims)]) {
    for (const [way, request] of Object.entries(carried)) {
      const [path, options] = request(token);
      const client = await server.connect(path, options);
      assert.equal(client.hello.user, "alice", way);
      assert.equal(client.socket.protocol, options.protocols ? "switchboard" : "");
      await client.close();
    }
  }
  const [path, options] = carried["the query"](good);
  const named = await server.connect(`${path}&user=mallory`, options);
  assert.equal(named.hello.user, "alice", "a name in the query changes nothing");
});

test("without a good token there is a 401 and no upgrade, for a WebSocket client", async (t) => {
  const { server, bad } = await prepare(t);
  for (const [what, token] of Object.entries(bad)) {
    const ways = token === undefined ? { nothing: () => ["/ws/lobby?user=alice", {}] } : carried;
    for (const [way, request] of Object.entries(ways)) {
      const outcome = await server.dial(...request(token)).outcome();
      assert.equal(outcome.refused?.status, 401, `${what} in ${way}: ${JSON.stringify(outcome)}`);
      assert.equal(refusal(outcome.refused), "unauthorized");
    }
  }
  const stats = await server.empty();
  assert.equal(stats.total_connections, 0);
});

test("without a good token there is a 401 with a JSON body, for a plain HTTP client", async (t) => {
  const { server, good, bad } = await prepare(t);
  for (const [what, token] of Object.entries(bad)) {
    const headers = token === undefined ? UPGRADE : { ...UPGRADE, Authorization: `Bearer ${token}` };
    const answer = await server.get("/ws/lobby", headers);
    assert.equal(answer.status, 401, what);
    assert.equal(refusal(answer), "unauthorized");
  }
  const welcome = await server.get("/ws/lobby", { ...UPGRADE, Authorization: `Bearer ${good}` });
  assert.equal(welcome.status, 101);
});

test("curl shows the 401", async (t) => {
  const { server, bad } = await prepare(t);
  const upgrade = Object.entries(UPGRADE).flatMap(([name, value]) => ["-H", `${name}: ${value}`]);
  // Also for a plain GET of the address, without an upgrade.
  const withToken = (token) => ["-H", `Authorization: Bearer ${token}`];
  for (const extra of [upgrade, [], [...upgrade, ...withToken(bad["another secret"])], withToken(bad["another secret"])]) {
    const args = ["-i", "-sS", "--noproxy", "*", "--http1.1", "--max-time", "10", ...extra];
    const { stdout } = await promisify(execFile)("curl", [...args, `${server.url}ws/lobby`]);
    const [head, body] = stdout.split("\r\n\r\n");
    assert.match(head, /^HTTP\/1\.1 401 /);
    assert.match(head, /^content-type: application\/json/im);
    assert.equal(JSON.parse(body).error.code, "unauthorized");
  }
});

test("no token appears in the log", async (t) => {
  const { server, good, bad } = await prepare(t);
  const tokens = [good, bad["another secret"], bad["an hour too old"]];
  for (const token of tokens) {
    for (const request of Object.values(carried)) {
      const client = server.dial(...request(token));
      await client.outcome();
      client.destroy();
      await client.gone;
    }
  }
  await server.empty();
  const end = await server.terminate();
  assert.equal(end.code, 0);
  assert.match(server.log, /alice/, "connections are logged, with their user");
  for (const token of tokens) {
    const [, claims, signature] = token.split(".");
    for (const secret of [token, claims, signature]) {
      assert.ok(!(server.log + server.out).includes(secret), "a token, or a part of one, in the log");
    }
  }
  assert.ok(!(server.log + server.out).includes(SECRET), "the secret in the log");
});

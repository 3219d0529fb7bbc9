// A page whose tokens are valid for two seconds, and a server that restarts: the page returns each
// time, with a token that it asked for since, whether or not it was told why it was refused.

import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { test } from "node:test";
import { Server, eventually } from "../node/harness.mjs";
import { Tab, browse } from "./chromium.mjs";
import { Network } from "./proxy.mjs";

const SECRET = "an example secret that is long enough";
const VALID_SECONDS = 2;
const RESTARTS = 3;
const RETURN_MS = 30_000;

const config = (answer) => `
[auth]
mode = "jwt"
hs256_secret = "${SECRET}"
answer = "${answer}"
`;

/** Gives out tokens, and counts them. */
class Issuer {
  count = 0;
  #expires = 0;

  next() {
    this.count += 1;
    this.#expires = Math.floor(Date.now() / 1000) + VALID_SECONDS;
    const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
    const text = `${part({ alg: "HS256", typ: "JWT" })}.${part({ sub: "page", exp: this.#expires })}`;
    return `${text}.${createHmac("sha256", SECRET).update(text).digest("base64url")}`;
  }

  /** Waits until the last token has expired. */
  expired() {
    return eventually(() => "the token expired", () => Date.now() / 1000 > this.#expires + 1);
  }
}

/** Runs in the page. */
async function stay() {
  const { Client } = await import("/switchboard-client.js");
  const client = new Client("/ws", { token: () => window.askForToken(), min_backoff_ms: 20, max_backoff_ms: 200 });
  const story = { entries: 0, closed: false, codes: [] };
  window.story = story;
  client.on("state", ({ state, code }) => {
    story.closed ||= state === "closed";
    if (code !== undefined) {
      story.codes.push(code);
    }
  });
  client.room("lobby").on("joined", () => (story.entries += 1));
  client.connect();
  await client.room("lobby").join();
}

// Told by 4001, the client asks for a token at once. With "http" it sees another 1006, as of a lost
// connection, and waits.
for (const [answer, told] of [["close", [1006]], ["http", [1006, 1006]]]) {
  test(`a page with short tokens returns, where the server answers "${answer}"`, async (t) => {
    let server = await Server.start(t, config(answer));
    const network = await Network.start(t, server.port);
    const issuer = new Issuer();
    const tab = await Tab.open(await browse(t), network);
    await tab.page.exposeFunction("askForToken", () => issuer.next());
    await tab.page.evaluate(stay);
    const story = () => tab.page.evaluate(() => window.story);
    assert.equal(issuer.count, 1);

    const returns = async (what, fail) => {
      await issuer.expired();
      const before = { ...(await story()), tokens: issuer.count };
      await fail();
      const seen = async () => `the page returned after ${what}: ${JSON.stringify(await story())}`;
      await eventually(() => `the page returned after ${what}`, async () => (await story()).entries > before.entries, RETURN_MS)
        .catch(async (error) => {
          throw new Error(await seen(), { cause: error });
        });
      assert.ok(issuer.count > before.tokens, `a token was asked for after ${what}`);
      return (await story()).codes.slice(before.codes.length);
    };

    for (let number = 1; number <= RESTARTS; number += 1) {
      await returns(`restart ${number}`, async () => {
        await server.terminate();
        server = await Server.start(t, config(answer));
        network.target = server.port;
      });
    }
    // The server is there, and refuses the expired token.
    const codes = await returns("a reset", () => network.reset());
    assert.deepEqual(codes, told);
    assert.equal((await story()).closed, false);
    t.diagnostic(`${issuer.count} tokens for ${(await story()).entries} entries`);
  });
}

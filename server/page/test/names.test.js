import assert from "node:assert/strict";
import { test } from "node:test";

import { closeText, refreshText, refusalText } from "../closes.js";
import { byteLength, nameProblem, tokenProblem } from "../names.js";

test("names and tokens that cannot be sent are found before they are", () => {
  assert.equal(nameProblem("lobby", "room"), undefined);
  assert.equal(nameProblem("ö".repeat(64), "room"), undefined);
  assert.match(nameProblem("", "room"), /missing/);
  assert.match(nameProblem("ö".repeat(65), "room"), /too long/);
  assert.match(nameProblem("a\u0007", "room"), /cannot be sent/);
  assert.match(nameProblem("\ud800", "name"), /cannot be sent/);
  assert.equal(tokenProblem("abc.def-_"), undefined);
  assert.match(tokenProblem("a b"), /token/);
  assert.equal(byteLength("😀"), 4);
});

test("every close code of the protocol has a sentence", () => {
  for (const code of [1000, 1001, 1002, 1003, 1006, 1007, 1008, 1009, 1011, 4001, 4002, 4003, 4004, 4008, 4010, 4029, 4999]) {
    assert.match(closeText(code), /^[A-Z“].*\.$/, `${code}`);
  }
  assert.notEqual(closeText(4002, "lobby_full"), closeText(4002));
  assert.equal(closeText(4002, "toString"), closeText(4002));
  assert.match(refusalText("forbidden", "no"), /no \(forbidden\)/);
  assert.match(refreshText("unknown_epoch"), /started anew\.$/);
  assert.match(refreshText("constructor"), /: constructor\.$/);
});

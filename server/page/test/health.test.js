import assert from "node:assert/strict";
import { test } from "node:test";

import { HealthMeter } from "../health.js";
import { FakeClient } from "./fakes.js";

function start(t) {
  t.mock.timers.enable({ apis: ["setInterval"] });
  const client = new FakeClient();
  const visit = new EventTarget();
  const meter = new HealthMeter({ client, visit });
  const samples = [];
  meter.addEventListener("sample", ({ detail }) => samples.push(detail));
  const enter = (phase) => visit.dispatchEvent(new CustomEvent("state", { detail: { phase } }));
  return { client, enter, samples };
}

test("the round trip is measured at once and every five seconds", (t) => {
  const { client, enter, samples } = start(t);
  enter("connecting");
  assert.equal(client.calls.length, 0);
  enter("connected");
  client.emit("health_pong", {});
  t.mock.timers.tick(5_000);
  client.emit("health_pong", {});
  assert.deepEqual(client.calls, ["wake", "wake"]);
  assert.equal(samples.length, 2);
  assert.ok(samples.every((sample) => sample >= 0 && sample < 1_000), String(samples));
});

test("no answer is told as such, and nothing is measured while there is no connection", (t) => {
  const { client, enter, samples } = start(t);
  enter("connected");
  t.mock.timers.tick(5_000);
  assert.deepEqual(samples, [null]);
  enter("waiting");
  client.emit("health_pong", {});
  t.mock.timers.tick(60_000);
  assert.deepEqual(samples, [null]);
  assert.equal(client.calls.length, 2);
});

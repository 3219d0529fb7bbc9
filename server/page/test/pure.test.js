import assert from "node:assert/strict";
import { test } from "node:test";

import { formatBytes, formatDuration, formatWait, plural } from "../format.js";
import { sniffImageType } from "../images.js";
import { Roster } from "../roster.js";
import { niceTicks, tickLabel } from "../scale.js";

test("ticks start at 0, reach the maximum and are round", () => {
  assert.deepEqual(niceTicks(0), [0, 1]);
  assert.deepEqual(niceTicks(1), [0, 1]);
  assert.deepEqual(niceTicks(3), [0, 1, 2, 3]);
  assert.deepEqual(niceTicks(10), [0, 5, 10]);
  assert.deepEqual(niceTicks(37), [0, 10, 20, 30, 40]);
  assert.deepEqual(niceTicks(500), [0, 200, 400, 600]);
  for (const max of [7, 99, 101, 12_345, 9e6, 0.2]) {
    const ticks = niceTicks(max);
    assert.ok(ticks.at(-1) >= max && ticks.length <= 6, `${max}: ${ticks}`);
  }
});

test("tick labels stay short", () => {
  assert.deepEqual([0, 950, 1000, 1500, 2_000_000, 3e9].map(tickLabel), ["0", "950", "1k", "1.5k", "2M", "3G"]);
});

test("an image is known by its magic bytes only", () => {
  const sniff = (...bytes) => sniffImageType(Uint8Array.from(bytes));
  assert.equal(sniff(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0), "image/png");
  assert.equal(sniff(0xff, 0xd8, 0xff, 0xe0), "image/jpeg");
  assert.equal(sniff(...Buffer.from("GIF89a")), "image/gif");
  assert.equal(sniff(...Buffer.from("RIFF1234WEBPVP8 ")), "image/webp");
  assert.equal(sniff(...Buffer.from("<svg xmlns=")), undefined);
  assert.equal(sniff(0xff, 0xd8), undefined);
  assert.equal(sniff(), undefined);
});

test("the roster counts users, listed or not", () => {
  const roster = new Roster();
  roster.reset(["bob", "alice"], 5);
  assert.equal(roster.count, 5);
  assert.equal(roster.unlisted, 3);
  assert.equal(roster.add("carol"), true);
  assert.equal(roster.add("carol"), false);
  assert.deepEqual(roster.users, ["alice", "bob", "carol"]);
  roster.remove("bob");
  roster.remove("somebody unlisted");
  assert.equal(roster.count, 4);
});

test("numbers are written as people read them", () => {
  assert.equal(formatBytes(0), "0 B");
  assert.equal(formatBytes(65_536), "64.0 KiB");
  assert.equal(formatBytes(5_000_000), "4.8 MiB");
  assert.equal(formatDuration(59.9), "59 s");
  assert.equal(formatDuration(61), "1 min 1 s");
  assert.equal(formatDuration(90_000), "1 d 1 h");
  assert.equal(formatWait(0), "now");
  assert.equal(formatWait(1250), "in 1.3 s");
  assert.equal(formatWait(7_400), "in 8 s");
  assert.equal(plural(1, "message"), "1 message");
  assert.equal(plural(15, "message was", "messages were"), "15 messages were");
});

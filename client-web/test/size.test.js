import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { gzipSync } from "node:zlib";

const LIMIT = 7.25 * 1024;

test("the plain script is under 7.25 KB, compressed", (t) => {
  const script = readFileSync(new URL("../dist/switchboard-client.global.js", import.meta.url));
  const { length } = gzipSync(script, { level: 9 });
  t.diagnostic(`${script.length} bytes, ${length} compressed`);
  assert.ok(length < LIMIT, `${length} bytes`);
});

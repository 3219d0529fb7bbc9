// The cases that the machines in Rust and in TypeScript share.

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";

import { createMachine } from "../dist/machine.js";

const FOLDER = new URL("../../core/tests/vectors/client/", import.meta.url);

/** Bytes are base64 in the files, under another name. */
function fromFile(value) {
  if (Array.isArray(value)) {
    return value.map(fromFile);
  }
  if (typeof value !== "object" || value === null) {
    return value;
  }
  const { binary, ...rest } = value;
  const copy = Object.fromEntries(Object.entries(rest).map(([key, inner]) => [key, key === "events" ? inner : fromFile(inner)]));
  return typeof binary === "string" ? { ...copy, payload: new Uint8Array(Buffer.from(binary, "base64")) } : copy;
}

function toFile(value) {
  if (Array.isArray(value)) {
    return value.map(toFile);
  }
  if (typeof value !== "object" || value === null) {
    return value;
  }
  const copy = {};
  for (const [key, inner] of Object.entries(value)) {
    if (inner instanceof Uint8Array) {
      copy.binary = Buffer.from(inner).toString("base64");
    } else if (inner !== undefined) {
      copy[key] = toFile(inner);
    }
  }
  return copy;
}

/** What the machine says in its own words is not compared, only its codes. */
function withoutOwnWords(actions, expected) {
  for (const [index, { settled }] of actions.entries()) {
    if (settled?.error && expected[index]?.settled?.error?.message === undefined) {
      delete settled.error.message;
    }
  }
  return actions;
}

const files = readdirSync(FOLDER).filter((name) => name.endsWith(".json"));

test("there are cases of every topic", () => assert.notEqual(files.length, 0));

for (const file of files) {
  const cases = JSON.parse(readFileSync(new URL(file, FOLDER), "utf8"));
  test(`${file}: there are cases`, () => assert.notEqual(cases.length, 0));
  for (const { name, config, steps } of cases) {
    test(`${file}: ${name}`, () => {
      const machine = createMachine({ id_prefix: "v", ...config });
      for (const [index, { at, event, actions, deadline }] of steps.entries()) {
        const where = `step ${index + 1}, at ${at}: ${JSON.stringify(event)}`;
        assert.deepEqual(withoutOwnWords(toFile(machine.handle(at, fromFile(event))), actions), actions, where);
        if (deadline !== undefined) {
          assert.equal(machine.nextDeadline(), deadline ?? Infinity, `${where}: the deadline`);
        }
      }
    });
  }
}

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { test } from "node:test";

import { buildPageModule, PAGE_MODULE } from "../build.js";

test("the page's module is what the sources build to", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "switchboard-client-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const built = join(folder, "module.js");
  await buildPageModule(built);
  const committed = execFileSync("git", ["show", `:./${basename(PAGE_MODULE)}`], { cwd: dirname(PAGE_MODULE), encoding: "utf8" });
  assert.equal(committed, readFileSync(built, "utf8"), "run `npm run build` and commit server/page/switchboard-client.js");
  assert.equal(readFileSync(PAGE_MODULE, "utf8"), committed);
});

// What is under test: the modules, or, with SWITCHBOARD_CLIENT=plain, the plain script that is made of them.

import { readFileSync } from "node:fs";
import vm from "node:vm";

export { eventually, FakeServer, next } from "./fake-server.js";

const SCRIPT = new URL("../dist/switchboard-client.global.js", import.meta.url);

function runScript() {
  vm.runInThisContext(readFileSync(SCRIPT, "utf8"));
  return globalThis.Switchboard;
}

export const { Client, SwitchboardError } = process.env.SWITCHBOARD_CLIENT === "plain" ? runScript() : await import("../dist/index.js");

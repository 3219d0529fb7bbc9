import { execFileSync } from "node:child_process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

test("the examples are what the types say", () => {
  const here = (path) => fileURLToPath(new URL(path, import.meta.url));
  execFileSync(process.execPath, [here("../node_modules/typescript/bin/tsc"), "--project", here("types/tsconfig.json")], { stdio: "inherit" });
});

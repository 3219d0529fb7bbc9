// Builds dist/ (ES modules with types, and one plain script), and the module that the server's own page uses.

import { execFileSync } from "node:child_process";
import { rmSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const here = (path) => fileURLToPath(new URL(path, import.meta.url));

export const PAGE_MODULE = here("../server/page/switchboard-client.js");

const common = { absWorkingDir: here("."), entryPoints: [here("src/index.ts")], bundle: true, target: "es2022", logLevel: "warning" };

/** The page's module is committed and embedded by the server, so it stays readable. */
export async function buildPageModule(outfile) {
  const banner = { js: "// Built from client-web/src by `npm run build`: change it there." };
  await build({ ...common, format: "esm", charset: "utf8", banner, outfile });
}

/** One plain script, minified: what a page loads that has no build of its own. */
async function buildScript(outfile) {
  await build({ ...common, entryPoints: [here("src/global.ts")], format: "iife", minify: true, outfile });
}

if (process.argv[1] === here("build.js")) {
  rmSync(here("dist"), { recursive: true, force: true });
  const tsc = fileURLToPath(import.meta.resolve("typescript/package.json").replace("package.json", "bin/tsc"));
  execFileSync(process.execPath, [tsc, "--project", here("tsconfig.json")], { stdio: "inherit" });
  await buildScript(here("dist/switchboard-client.global.js"));
  await buildPageModule(PAGE_MODULE);
}

// Builds dist/ (ES modules with types, and one plain script), and the module that the server's own page uses.

import { execFileSync } from "node:child_process";
import { rmSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { minify } from "terser";

const here = (path) => fileURLToPath(new URL(path, import.meta.url));

export const PAGE_MODULE = here("page/switchboard-client.js");

/** Properties that neither travel nor belong to the public API. */
const INTERNAL = new RegExp(
  `^(${[
    // of objects of the machine
    "tickets entered known asked lasting sent limited repeated due answer",
    // events and actions, but for those that are named by a text
    "nextDeadline handle seed id_prefix timeout_ms ticket opened received alive ended refused tick deliver requested settled ask_token dial transmit drop stop reply",
    // of rooms and their link to the client
    "publication publish report onEnd tell disconnected call",
  ]
    .join(" ")
    .replaceAll(" ", "|")})$`,
);

const common = { absWorkingDir: here("."), entryPoints: [here("src/index.ts")], bundle: true, target: "es2022", logLevel: "warning" };

/** The page's module is committed and embedded by the server, so it stays readable. */
export async function buildPageModule(outfile) {
  const banner = { js: "// Built from client-web/src by `npm run build`: change it there." };
  await build({ ...common, format: "esm", charset: "utf8", banner, outfile });
}

/** One plain script, as small as it gets. */
async function buildScript(outfile) {
  const entry = { entryPoints: [here("src/global.ts")], format: "iife", mangleProps: INTERNAL, minify: true, write: false };
  const { outputFiles } = await build({ ...common, ...entry });
  const compress = { passes: 3, module: true, hoist_funs: true, pure_getters: true, reduce_funcs: false, sequences: false };
  const { code } = await minify(outputFiles[0].text, { ecma: 2020, compress, mangle: true });
  writeFileSync(outfile, code);
}

if (process.argv[1] === here("build.js")) {
  rmSync(here("dist"), { recursive: true, force: true });
  const tsc = fileURLToPath(import.meta.resolve("typescript/package.json").replace("package.json", "bin/tsc"));
  execFileSync(process.execPath, [tsc, "--project", here("tsconfig.json")], { stdio: "inherit" });
  await buildScript(here("dist/switchboard-client.global.js"));
  await buildPageModule(PAGE_MODULE);
}

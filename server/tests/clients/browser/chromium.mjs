// Starts the browser, and operates the server's page like a user.
//
// Screenshots are saved in the folder SCREENSHOTS (target/screenshots by default).

import assert from "node:assert/strict";
import { accessSync, constants, mkdirSync } from "node:fs";
import { createRequire } from "node:module";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";
import { PATIENCE } from "../node/harness.mjs";

// The packages of all JavaScript tests are installed once, beside the harness.
const { chromium } = createRequire(new URL("../node/", import.meta.url))("playwright-core");

const SCREENSHOTS =
  process.env.SCREENSHOTS ?? fileURLToPath(new URL("../../../../target/screenshots/", import.meta.url));

function program() {
  if (process.env.CHROMIUM) return process.env.CHROMIUM;
  const found = process.env.PATH.split(delimiter).map((folder) => join(folder, "chromium")).find((path) => {
    try {
      accessSync(path, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
  assert.ok(found, "chromium must be on the PATH, or named by CHROMIUM");
  return found;
}

/** Starts a browser for the test `t`, which closes it at the end; returns a context. */
export async function browse(t) {
  mkdirSync(SCREENSHOTS, { recursive: true });
  const browser = await chromium.launch({
    executablePath: program(),
    args: [
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
    ],
  });
  t.after(() => browser.close());
  return browser.newContext({ locale: "en-GB", viewport: { width: 1200, height: 800 } });
}

/** One tab: what a user of the page does and sees. */
export class Tab {
  problems = [];

  static async open(context, { url }) {
    const tab = new Tab();
    tab.page = await context.newPage();
    tab.page.setDefaultTimeout(PATIENCE);
    tab.page.on("pageerror", (error) => tab.problems.push(`${error}`));
    tab.page.on("console", (line) => line.type() === "error" && tab.problems.push(line.text()));
    await tab.page.goto(url);
    return tab;
  }

  get(id) {
    return this.page.getByTestId(id);
  }

  async enter(name, room) {
    await this.get("name").fill(name);
    await this.get("room").fill(room);
    await this.get("connect").click();
    await this.connected();
    await this.get("disconnect").waitFor();
    await this.member(name).waitFor();
  }

  connected() {
    return this.get("state").filter({ hasText: /^\s*connected/i }).waitFor();
  }

  member(name) {
    return this.get("members").locator("li[data-testid=member]").filter({ hasText: name });
  }

  message(from, text) {
    return this.page.locator(`[data-testid=message][data-from="${from}"]`).filter({ hasText: text });
  }

  notice(kind) {
    return this.page.locator(`[data-testid=notice][data-kind="${kind}"]`);
  }

  /** Returns how many notices say that `name` joined. */
  async arrivals(name) {
    const notices = await this.get("notice").allTextContents();
    return notices.filter((text) => text.includes(name) && text.includes("joined")).length;
  }

  screenshot(name) {
    return this.page.screenshot({ path: join(SCREENSHOTS, `${name}.png`), fullPage: true });
  }
}

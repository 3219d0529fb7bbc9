// A stay in one room, kept up while the server allows it. Independent of the page.

import { closeText, FULL, NEVER_OPENED, refusalText } from "./closes.js";
import { Client } from "./switchboard-client.js";

const FULL_WAIT_MIN_MS = 2_000;
const FULL_WAIT_MAX_MS = 8_000;

export function openVisit({ room, user, token }) {
  return new Visit(new Client("/ws", { user, token: token || undefined }), room);
}

/**
 * Event: `state`, with the new `state`. `state.phase` is one of
 *   idle        never started
 *   connecting  not yet in the room
 *   connected   in the room
 *   waiting     until `retryAt`, then connecting again
 *   closed      for good, until `start` is called
 * The last two have a `text` that says why, and so has connecting after a failure. It is empty when
 * `stop` closed.
 */
export class Visit extends EventTarget {
  state = { phase: "idle" };
  client;
  room;
  /** When a draining server asks us to reconnect; undefined while it is not draining. */
  drainUntil;

  #platform;
  #timer;
  /**
   * Whether the last join was refused because the room was full: then the client does not join it
   * again by itself.
   */
  #wasFull = false;

  constructor(client, room, platform = {}) {
    super();
    this.client = client;
    this.room = client.room(room);
    this.#platform = {
      setTimeout: globalThis.setTimeout.bind(globalThis),
      clearTimeout: globalThis.clearTimeout.bind(globalThis),
      now: Date.now,
      random: Math.random,
      ...platform,
    };
    client.on("state", (change) => this.#changed(change));
    client.on("draining", ({ retry_after_ms: wait }) => {
      this.drainUntil = this.#platform.now() + wait;
      this.#setState(this.state);
    });
    this.room.on("joined", () => {
      this.drainUntil = undefined;
      this.#setState({ phase: "connected" });
    });
    this.room.on("left", (problem) => problem.code && this.#refused(problem));
  }

  start() {
    this.client.connect();
    this.#enter();
  }

  stop() {
    this.client.close();
  }

  retryNow() {
    if (this.state.phase !== "waiting") {
      return;
    }
    if (this.client.state === "open") {
      this.#enter();
    } else {
      this.client.connect();
    }
  }

  #enter() {
    this.#platform.clearTimeout(this.#timer);
    this.#wasFull = false;
    this.#setState({ ...this.state, phase: "connecting" });
    this.room.join().catch((problem) => this.#refused(problem));
  }

  /** The server accepts us, but the room does not. */
  #refused({ code, message }) {
    if (code === "stopped" || code === "closed") {
      return;
    }
    const text = refusalText(code, message);
    if (code === FULL) {
      this.#wasFull = true;
      const wait = FULL_WAIT_MIN_MS + this.#platform.random() * (FULL_WAIT_MAX_MS - FULL_WAIT_MIN_MS);
      this.#timer = this.#platform.setTimeout(() => this.#enter(), wait);
      this.#setState({ phase: "waiting", text, retryAt: this.#platform.now() + wait });
    } else {
      this.client.close();
      this.#setState({ phase: "closed", text });
    }
  }

  #changed({ state, code, reason, hint, retry_in_ms: wait }) {
    this.#platform.clearTimeout(this.#timer);
    switch (state) {
      case "open":
        if (this.#wasFull) {
          this.#enter();
        }
        break;
      case "connecting":
        this.#setState({ phase: "connecting", text: this.state.text });
        break;
      case "waiting":
        this.drainUntil = undefined;
        this.#setState({ phase: "waiting", text: hint ? NEVER_OPENED : closeText(code, reason), retryAt: this.#platform.now() + wait });
        break;
      default:
        this.drainUntil = undefined;
        this.#setState({ phase: "closed", text: state === "closed" ? closeText(code, reason) : "" });
    }
  }

  #setState(state) {
    this.state = state;
    this.dispatchEvent(new CustomEvent("state", { detail: state }));
  }
}

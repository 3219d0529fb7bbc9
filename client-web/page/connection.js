// One connection to one room, kept up for as long as the server wants it. Knows nothing of the page.

import { ABNORMAL, closeMeaning } from "./closes.js";
import { byteLength, decodeFrame, MAX_ROOM_BYTES, WireError } from "./wire.js";

const BACKOFF_FIRST_MS = 1_000;
const BACKOFF_MAX_MS = 30_000;
const HANDSHAKE_TIMEOUT_MS = 10_000;
const DRAIN_WAIT_MAX_MS = 300_000;
// A server that lets us in and throws us out at once must not be dialled in a tight loop.
const STABLE_AFTER_MS = 10_000;
const LATER_FIRST_ATTEMPT = 2;
const DEFAULT_LIMITS = { max_message_bytes: 65_536 };
const DEFAULT_STALE_AFTER_MS = 45_000;

/** The longest wait before attempt number `attempt` (from 0). */
export function backoffCeiling(attempt) {
  return Math.min(BACKOFF_MAX_MS, BACKOFF_FIRST_MS * 2 ** attempt);
}

/** Full jitter: anything up to the ceiling, so that many clients do not come back together. */
export function backoffDelay(attempt, random = Math.random) {
  return Math.round(random() * backoffCeiling(attempt));
}

export function socketUrl(page, room, user) {
  const scheme = page.protocol === "https:" ? "wss" : "ws";
  return `${scheme}://${page.host}/ws/${encodeURIComponent(room)}?user=${encodeURIComponent(user)}`;
}

/** Why this cannot be the name of a room or a user; undefined if it can. */
export function nameProblem(name, what) {
  if (name === "") {
    return `The ${what} is missing.`;
  }
  if (byteLength(name) > MAX_ROOM_BYTES) {
    return `The ${what} is too long: at most ${MAX_ROOM_BYTES} bytes.`;
  }
  if (/[\p{Cc}\p{Cs}]/u.test(name)) {
    return `The ${what} holds a character that cannot be sent.`;
  }
  // A URL parser takes these for a step up the path, however they are written.
  if (name === "." || name === "..") {
    return `The ${what} cannot be “${name}”.`;
  }
  return undefined;
}

/**
 * Events: `state` (the new `state`), `message` (a JSON message), `frame` (a decoded binary frame), `unreadable` (why).
 *
 * `state.phase` is one of
 *   idle        never started
 *   connecting  dialled, not yet greeted by `connected`
 *   connected   `hello` is the server's `connected` message
 *   waiting     until `retryAt`, then connecting again
 *   closed      for good, until `start` is called
 * The last two carry `code`, `reason` and `text` of the close, and connecting does after a failure. The text is empty
 * when it was `stop` that closed.
 */
export class Connection extends EventTarget {
  state = { phase: "idle" };
  hello = undefined;
  lastHeard = 0;

  #url;
  #protocols;
  #retries;
  #platform;
  #socket;
  #timer;
  #attempt = 0;
  #connectedAt;
  #drainUntil;

  constructor({ url, token = "", retries = true, platform = {} }) {
    super();
    this.#url = url;
    // In the list of subprotocols and not in the URL, because URLs end up in logs.
    this.#protocols = token ? ["switchboard", `bearer.${token}`] : ["switchboard"];
    this.#retries = retries;
    this.#platform = {
      WebSocket: globalThis.WebSocket,
      setTimeout: globalThis.setTimeout.bind(globalThis),
      clearTimeout: globalThis.clearTimeout.bind(globalThis),
      now: Date.now,
      random: Math.random,
      ...platform,
    };
  }

  get limits() {
    return { ...DEFAULT_LIMITS, ...this.hello?.limits };
  }

  /** When the server that is about to go wants us back; undefined while it stays. */
  get drainUntil() {
    return this.#drainUntil;
  }

  get staleAfterMs() {
    return this.hello?.heartbeat?.stale_after_ms ?? DEFAULT_STALE_AFTER_MS;
  }

  start() {
    this.#attempt = 0;
    this.#drainUntil = undefined;
    this.#dial();
  }

  stop() {
    this.#forget(1000);
    this.#setState({ phase: "closed", code: 1000, reason: "", text: "" });
  }

  retryNow() {
    if (this.state.phase === "waiting") {
      this.#dial();
    }
  }

  /** For a connection that looks open but is dead: no close frame would ever come. */
  abandon() {
    this.#forget();
    this.#closed(ABNORMAL, "");
  }

  /** Sends a string or bytes as they are; whether they went out. */
  send(data) {
    if (this.state.phase !== "connected" || this.#socket.readyState !== this.#platform.WebSocket.OPEN) {
      return false;
    }
    this.#socket.send(data);
    return true;
  }

  sendMessage(message) {
    return this.send(JSON.stringify(message));
  }

  #dial() {
    this.#forget(1000);
    const { code, reason, text } = this.state.phase === "waiting" ? this.state : {};
    this.#setState({ phase: "connecting", code, reason, text });

    let socket;
    try {
      socket = new this.#platform.WebSocket(this.#url, this.#protocols);
    } catch {
      this.#setState({ phase: "closed", code: 4001, reason: "", text: "The token holds a character that cannot be sent." });
      return;
    }
    this.#socket = socket;
    socket.binaryType = "arraybuffer";
    // A socket that was forgotten may still report; it no longer speaks for this connection.
    const ifCurrent = (handler) => (event) => socket === this.#socket && handler(event);
    socket.addEventListener("message", ifCurrent((event) => this.#received(event.data)));
    socket.addEventListener("close", ifCurrent((event) => {
      this.#forget();
      this.#closed(event.code, event.reason);
    }));
    this.#after(HANDSHAKE_TIMEOUT_MS, () => this.abandon());
  }

  #received(data) {
    this.lastHeard = this.#platform.now();
    try {
      if (typeof data === "string") {
        this.#receivedText(JSON.parse(data));
      } else {
        this.#emit("frame", decodeFrame(data));
      }
    } catch (error) {
      if (!(error instanceof WireError || error instanceof SyntaxError)) {
        throw error;
      }
      this.#emit("unreadable", error.message);
    }
  }

  #receivedText(message) {
    if (typeof message?.type !== "string") {
      throw new WireError("a message without a type");
    }
    switch (message.type) {
      case "connected":
        this.#cancelTimer();
        this.#connectedAt = this.#platform.now();
        this.hello = message;
        this.#setState({ phase: "connected" });
        break;
      case "health_ping":
        this.sendMessage({ type: "health_pong", timestamp: message.timestamp });
        break;
      case "draining": {
        const wait = Math.min(DRAIN_WAIT_MAX_MS, Math.max(0, Number(message.retry_after_ms) || 0));
        this.#drainUntil = this.#platform.now() + wait;
        break;
      }
    }
    this.#emit("message", message);
  }

  #closed(code, reason) {
    const { retry, text } = closeMeaning(code, reason);
    if (retry === "never" || !this.#retries) {
      this.#setState({ phase: "closed", code, reason, text });
      return;
    }

    const now = this.#platform.now();
    if (this.#connectedAt !== undefined && now - this.#connectedAt >= STABLE_AFTER_MS) {
      this.#attempt = 0;
    }
    this.#connectedAt = undefined;
    if (retry === "later") {
      this.#attempt = Math.max(this.#attempt, LATER_FIRST_ATTEMPT);
    }

    let wait;
    if (this.#drainUntil !== undefined) {
      wait = Math.max(0, this.#drainUntil - now);
      this.#drainUntil = undefined;
    } else {
      wait = backoffDelay(this.#attempt, this.#platform.random);
      this.#attempt += 1;
    }
    this.#after(wait, () => this.#dial());
    this.#setState({ phase: "waiting", code, reason, text, retryAt: now + wait });
  }

  #forget(closeWith) {
    this.#cancelTimer();
    const socket = this.#socket;
    this.#socket = undefined;
    socket?.close(closeWith);
  }

  #after(ms, action) {
    this.#cancelTimer();
    this.#timer = this.#platform.setTimeout(action, ms);
  }

  #cancelTimer() {
    this.#platform.clearTimeout(this.#timer);
  }

  #setState(state) {
    this.state = state;
    this.#emit("state", state);
  }

  #emit(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}

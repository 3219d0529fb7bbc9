// Measures the round trip with the protocol's own ping, and notices a connection that only looks open.

const INTERVAL_MS = 5_000;
const TIMEOUT_MS = 2_000;

/** Event: `sample`, a round trip in ms, or null when no answer came in time. */
export class HealthMeter extends EventTarget {
  #connection;
  #sentAt;
  #timestamp = 0;
  #interval;
  #timeout;

  constructor(connection) {
    super();
    this.#connection = connection;
    connection.addEventListener("state", ({ detail }) => {
      this.#stop();
      if (detail.phase === "connected") {
        this.#interval = setInterval(() => this.#tick(), INTERVAL_MS);
        this.#ping();
      }
    });
    connection.addEventListener("message", ({ detail }) => {
      if (detail.type === "health_pong" && detail.timestamp === this.#timestamp) {
        this.#answered();
      }
    });
  }

  #tick() {
    if (Date.now() - this.#connection.lastHeard > this.#connection.staleAfterMs) {
      this.#connection.abandon();
      return;
    }
    this.#ping();
  }

  #ping() {
    // The timestamp is how a pong is told from an earlier one, so it never repeats, whatever the clock does.
    this.#timestamp = Math.max(Date.now(), this.#timestamp + 1);
    this.#sentAt = performance.now();
    clearTimeout(this.#timeout);
    this.#timeout = setTimeout(() => {
      this.#sentAt = undefined;
      this.#emit(null);
    }, TIMEOUT_MS);
    this.#connection.sendMessage({ type: "health_ping", timestamp: this.#timestamp });
  }

  #answered() {
    if (this.#sentAt === undefined) {
      return;
    }
    clearTimeout(this.#timeout);
    this.#emit(performance.now() - this.#sentAt);
    this.#sentAt = undefined;
  }

  #stop() {
    clearInterval(this.#interval);
    clearTimeout(this.#timeout);
    this.#sentAt = undefined;
  }

  #emit(latency) {
    this.dispatchEvent(new CustomEvent("sample", { detail: latency }));
  }
}

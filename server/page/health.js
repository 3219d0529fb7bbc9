// Measures the round trip repeatedly while we are in the room.

const INTERVAL_MS = 5_000;

/** Event: `sample`, a round trip in ms, or null if no answer arrived within the interval. */
export class HealthMeter extends EventTarget {
  #client;
  #asked;

  constructor({ client, visit, platform = globalThis }) {
    super();
    this.#client = client;
    let interval;
    client.on("health_pong", () => {
      if (this.#asked !== undefined) {
        this.#sample(performance.now() - this.#asked);
        this.#asked = undefined;
      }
    });
    visit.addEventListener("state", ({ detail }) => {
      platform.clearInterval(interval);
      this.#asked = undefined;
      if (detail.phase === "connected") {
        interval = platform.setInterval(() => this.#measure(), INTERVAL_MS);
        this.#measure();
      }
    });
  }

  /**
   * The client's own health ping: unlike messages it does not count as activity, so a connection
   * can still become idle.
   */
  #measure() {
    if (this.#asked !== undefined) {
      this.#sample(null);
    }
    this.#asked = performance.now();
    this.#client.wake();
  }

  #sample(detail) {
    this.dispatchEvent(new CustomEvent("sample", { detail }));
  }
}

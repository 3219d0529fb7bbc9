// Measures the round trip, again and again while we are in the room.

const INTERVAL_MS = 5_000;

/** Event: `sample`, a round trip in ms, or null when no answer came within the interval. */
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

  /** The client's own question whether the server is alive: unlike others it is no activity, so a connection still gets idle. */
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

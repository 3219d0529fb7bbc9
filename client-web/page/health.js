// Measures the round trip, again and again while there is a connection.

const INTERVAL_MS = 5_000;
const TIMEOUT_MS = 2_000;

/** Event: `sample`, a round trip in ms, or null when no answer came in time. */
export class HealthMeter extends EventTarget {
  #client;
  #interval;

  constructor(client) {
    super();
    this.#client = client;
    client.on("state", ({ state }) => {
      clearInterval(this.#interval);
      if (state === "open") {
        this.#interval = setInterval(() => this.#measure(), INTERVAL_MS);
        this.#measure();
      }
    });
  }

  async #measure() {
    let latency;
    try {
      latency = await this.#client.ping({ signal: AbortSignal.timeout(TIMEOUT_MS) });
    } catch (error) {
      if (error.name !== "TimeoutError") {
        return;
      }
      latency = null;
    }
    if (this.#client.state === "open") {
      this.dispatchEvent(new CustomEvent("sample", { detail: latency }));
    }
  }
}

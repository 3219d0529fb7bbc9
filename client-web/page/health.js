// Measures the round trip, again and again while we are in the room.

const INTERVAL_MS = 5_000;
const TIMEOUT_MS = 2_000;

/** Event: `sample`, a round trip in ms, or null when no answer came in time. */
export class HealthMeter extends EventTarget {
  #visit;
  #position;
  #interval;

  constructor(visit) {
    super();
    this.#visit = visit;
    visit.room.on("joined", ({ position }) => (this.#position = position));
    visit.room.on("message", ({ event_id: position }) => (this.#position = position));
    visit.addEventListener("state", ({ detail }) => {
      clearInterval(this.#interval);
      if (detail.phase === "connected") {
        this.#interval = setInterval(() => this.#measure(), INTERVAL_MS);
        this.#measure();
      }
    });
  }

  async #measure() {
    const start = performance.now();
    let latency;
    try {
      // The smallest question there is: what is newer than what we have just seen?
      await this.#visit.room.history({ since: this.#position, limit: 1, signal: AbortSignal.timeout(TIMEOUT_MS) });
      latency = performance.now() - start;
    } catch (error) {
      latency = error.name === "TimeoutError" ? null : performance.now() - start;
    }
    if (this.#visit.state.phase === "connected") {
      this.dispatchEvent(new CustomEvent("sample", { detail: latency }));
    }
  }
}

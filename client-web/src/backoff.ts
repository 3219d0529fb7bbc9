/** How long to wait after a failure: doubling, and drawn from the whole interval so that clients do not come back together. */
export class Backoff {
  readonly #min: number;
  readonly #max: number;
  #seed: number;
  #failures = 0;

  constructor(min: number, max: number, seed: number) {
    this.#min = min;
    this.#max = max;
    this.#seed = seed;
  }

  reset(): void {
    this.#failures = 0;
  }

  /** The wait after one more failure, in milliseconds. */
  next(): number {
    const ceiling = Math.min(this.#max, this.#min * 2 ** this.#failures);
    this.#failures += 1;
    return Math.floor((this.#draw() * (ceiling + 1)) / 2 ** 32);
  }

  /** mulberry32: small, and the same in every language. */
  #draw(): number {
    this.#seed = (this.#seed + 0x6d2b79f5) | 0;
    let t = this.#seed;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return (t ^ (t >>> 14)) >>> 0;
  }
}

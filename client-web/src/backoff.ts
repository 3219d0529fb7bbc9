export interface Backoff {
  /** The wait after one more failure, in milliseconds. */
  next(): number;
  reset(): void;
}

/** Doubling, and drawn from the whole interval so that clients do not come back together. */
export function createBackoff(min: number, max: number, seed: number): Backoff {
  let failures = 0;

  /** mulberry32: small, and the same in every language. */
  function draw(): number {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), seed | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return (t ^ (t >>> 14)) >>> 0;
  }

  return {
    next: () => Math.floor((draw() * (Math.min(max, min * 2 ** failures++) + 1)) / 2 ** 32),
    reset: () => {
      failures = 0;
    },
  };
}

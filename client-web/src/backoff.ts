/**
 * Draws from the whole of [0, ceiling] with mulberry32, which is small and the same in every
 * language.
 */
export function createDraw(seed: number): (ceiling: number) => number {
  return (ceiling) => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), seed | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return Math.floor((((t ^ (t >>> 14)) >>> 0) * (ceiling + 1)) / 2 ** 32);
  };
}

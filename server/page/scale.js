// Positions of the ticks of an axis.

const STEPS = [1, 2, 5, 10];

/**
 * Returns ticks from 0 to at least `max`, at round numbers, in about `intervals` steps of whole
 * numbers: all our charts show counts.
 */
export function niceTicks(max, intervals = 4) {
  const rough = Math.max(1, max) / intervals;
  const magnitude = 10 ** Math.floor(Math.log10(Math.max(1, rough)));
  const step = STEPS.map((factor) => factor * magnitude).find((candidate) => candidate >= rough);
  const count = Math.max(1, Math.ceil(max / step));
  return Array.from({ length: count + 1 }, (_, index) => index * step);
}

/** Formats a tick: "950", "12k", "1.5M". */
export function tickLabel(value) {
  for (const [size, suffix] of [[1e9, "G"], [1e6, "M"], [1e3, "k"]]) {
    if (value >= size) {
      return `${Number((value / size).toFixed(1))}${suffix}`;
    }
  }
  return String(value);
}

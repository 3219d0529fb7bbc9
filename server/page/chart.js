// An SVG line chart of the last two minutes, styled by the style sheet.

import { element, svg } from "./dom.js";
import { formatNumber } from "./format.js";
import { niceTicks, tickLabel } from "./scale.js";

const WINDOW_MS = 120_000;
const TIME_TICKS_MS = [120_000, 90_000, 60_000, 30_000, 0];
// Samples arrive once a second; after a longer silence the line has a gap.
const HOLE_MS = 3_500;
const HEIGHT = 190;
const MARGIN = { top: 12, right: 14, bottom: 26, left: 44 };

export class LineChart {
  #title;
  #unit;
  #series;
  #samples = [];
  #picture;
  #note;
  #width = 0;

  /** `series` is a list of `{ key, label }`; the style sheet draws number n as `.series-n`. */
  constructor(figure, { title, unit, series }) {
    this.#title = title;
    this.#unit = unit;
    this.#series = series.map((line, index) => ({
      ...line,
      name: `series-${index + 1}`,
      value: element("output", { class: "value", "data-testid": `value-${line.key}` }, "–"),
    }));
    this.#picture = svg("svg", { role: "img", height: HEIGHT });
    this.#note = element("p", { class: "chart-note", hidden: "" });
    const legend = element("ul", { class: "legend" }, ...this.#series.map(legendRow));
    const caption = element("figcaption", {}, element("h3", {}, title, " ", element("span", { class: "faint" }, unit)), legend);
    figure.append(caption, element("div", { class: "plot" }, this.#picture, this.#note));
    new ResizeObserver(([entry]) => {
      this.#width = Math.floor(entry.contentRect.width);
      this.draw(performance.now());
    }).observe(figure.querySelector(".plot"));
  }

  /** `values` maps each key to a number, or to nothing. */
  push(now, values) {
    this.#samples.push({ at: now, values });
    for (const { key, value } of this.#series) {
      value.textContent = Number.isFinite(values[key]) ? formatNumber(values[key]) : "–";
    }
  }

  /** Shows a sentence across the chart when there are no numbers; empty removes it. */
  setNote(text) {
    this.#note.hidden = text === "";
    this.#note.textContent = text;
  }

  draw(now) {
    this.#forgetBefore(now - WINDOW_MS - HOLE_MS);
    if (this.#width <= 0) {
      return;
    }
    const plot = {
      left: MARGIN.left,
      right: this.#width - MARGIN.right,
      top: MARGIN.top,
      bottom: HEIGHT - MARGIN.bottom,
    };
    const ticks = niceTicks(this.#highest());
    const scale = {
      x: (at) => plot.right - ((now - at) / WINDOW_MS) * (plot.right - plot.left),
      y: (value) => plot.bottom - (value / ticks.at(-1)) * (plot.bottom - plot.top),
    };
    this.#picture.setAttribute("width", this.#width);
    this.#picture.setAttribute("viewBox", `0 0 ${this.#width} ${HEIGHT}`);
    this.#picture.setAttribute("aria-label", this.#summary());
    this.#picture.replaceChildren(
      ...ticks.flatMap((tick) => valueTick(tick, scale.y(tick), plot)),
      ...TIME_TICKS_MS.flatMap((age) => timeTick(age, scale.x(now - age), plot)),
      ...this.#series.flatMap((line) => this.#line(line, scale, plot)),
    );
  }

  #forgetBefore(time) {
    const firstKept = this.#samples.findIndex(({ at }) => at >= time);
    this.#samples.splice(0, firstKept < 0 ? this.#samples.length : firstKept);
  }

  #highest() {
    const values = this.#samples.flatMap((sample) => this.#series.map(({ key }) => sample.values[key]));
    return Math.max(0, ...values.filter(Number.isFinite));
  }

  #line({ key, name }, scale, plot) {
    let path = "";
    let previous;
    for (const { at, values } of this.#samples) {
      const value = values[key];
      if (!Number.isFinite(value)) {
        continue;
      }
      const joined = previous !== undefined && at - previous <= HOLE_MS;
      // The oldest sample may lie left of the axis, so that the line reaches it; it is clipped
      // there.
      path += `${joined ? "L" : "M"}${Math.max(plot.left, scale.x(at)).toFixed(1)} ${scale.y(value).toFixed(1)}`;
      previous = at;
    }
    if (previous === undefined) {
      return [];
    }
    const last = this.#samples.findLast(({ at }) => at === previous);
    return [
      svg("path", { class: `line ${name}`, d: path }),
      svg("circle", { class: `end ${name}`, cx: Math.max(plot.left, scale.x(previous)), cy: scale.y(last.values[key]), r: 3 }),
    ];
  }

  #summary() {
    const values = this.#series.map(({ label, value }) => `${label} ${value.textContent}`).join(", ");
    return `${this.#title} over the last two minutes. Now: ${values} (${this.#unit}).`;
  }
}

function legendRow({ name, label, value }) {
  const sample = svg(
    "svg",
    { width: 28, height: 10, "aria-hidden": "true" },
    svg("path", { class: `line ${name}`, d: "M0 5H28" }),
  );
  return element("li", {}, sample, " ", label, " ", value);
}

function valueTick(value, y, { left, right }) {
  return [
    svg("path", { class: value === 0 ? "axis" : "grid", d: `M${left} ${crisp(y)}H${right}` }),
    svg("text", { class: "tick", x: left - 8, y: y + 4, "text-anchor": "end" }, tickLabel(value)),
  ];
}

function timeTick(age, x, { bottom }) {
  const label = age === 0 ? "now" : `−${age / 1000} s`;
  return [
    svg("path", { class: "axis", d: `M${crisp(x)} ${bottom}v4` }),
    svg("text", { class: "tick", x, y: bottom + 18, "text-anchor": age === 0 ? "end" : "middle" }, label),
  ];
}

function crisp(position) {
  return Math.round(position) + 0.5;
}

/** A line the size of a word. `values` may contain null for missing samples. */
export function drawSparkline(picture, values, slots) {
  const { width, height } = picture.viewBox.baseVal;
  const highest = Math.max(1, ...values.filter(Number.isFinite));
  const x = (index) => width - 1 - ((values.length - 1 - index) / (slots - 1)) * (width - 2);
  const marks = values.map((value, index) =>
    value === null
      ? `M${x(index).toFixed(1)} 2V${height - 2}`
      : `${Number.isFinite(values[index - 1]) ? "L" : "M"}${x(index).toFixed(1)} ${(height - 2 - (value / highest) * (height - 4)).toFixed(1)}h0`,
  );
  picture.replaceChildren(svg("path", { class: "line", d: marks.join("") }));
}

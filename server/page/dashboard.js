// The server's statistics, which it publishes once a second in a room for them.

import { LineChart } from "./chart.js";
import { byTestId, element } from "./dom.js";
import { formatBytes, formatDuration, formatNumber, formatPercent, formatWait } from "./format.js";
import { openVisit } from "./visit.js";

const STATS_ROOM = "switchboard:stats";
const REDRAW_MS = 1_000;

const CHARTS = [
  { testId: "chart-connections", title: "Connections", unit: "count", series: [{ key: "connections", label: "open" }] },
  {
    testId: "chart-messages",
    title: "Messages",
    unit: "per second",
    series: [
      { key: "messages_in_per_second", label: "in" },
      { key: "messages_out_per_second", label: "out" },
    ],
  },
  { testId: "chart-rooms", title: "Rooms", unit: "count", series: [{ key: "rooms", label: "open" }] },
];

const perSecond = (bytes) => `${formatBytes(bytes)}/s`;
const STATS = [
  ["uptime_seconds", "Uptime", formatDuration],
  ["connections", "Connections", formatNumber],
  ["max_connections", "Seats", formatNumber],
  ["capacity_percent", "Seats taken", formatPercent],
  ["reserved", "Arriving", formatNumber],
  ["users", "Users", formatNumber],
  ["blocked_connections", "Blocked (slow)", formatNumber],
  ["dropped_messages", "Dropped", formatNumber],
  ["rejections_total", "Refused", formatNumber],
  ["closes_total", "Closed", formatNumber],
  ["bytes_in_per_second", "Bytes in", perSecond],
  ["bytes_out_per_second", "Bytes out", perSecond],
  ["memory_bytes", "Memory", formatBytes],
];

export class Dashboard {
  #charts = [];
  #stats = [];
  #status;
  #visit;
  #identity;

  /** `identity` returns `{ user, token }` when the dashboard connects. */
  constructor({ stats, status, identity }) {
    this.#status = status;
    this.#identity = identity;
    for (const { testId, ...options } of CHARTS) {
      this.#charts.push(new LineChart(byTestId(testId), options));
    }
    for (const [name, label, format] of STATS) {
      const value = element("dd", { "data-testid": `stat-${name}` }, "–");
      stats.append(element("div", {}, element("dt", {}, label), value));
      this.#stats.push({ name, format, value });
    }
  }

  /**
   * Connects on the first call. From then on numbers are collected even while hidden, so that the
   * charts have no gaps.
   */
  open() {
    if (this.#visit && this.#visit.state.phase !== "closed") {
      return;
    }
    const firstTime = !this.#visit;
    const { user, token } = this.#identity();
    this.#visit = openVisit({ room: STATS_ROOM, user, token });
    this.#visit.room.on("message", ({ type, payload }) => type === "stats" && this.#received(payload ?? {}));
    this.#visit.start();
    if (firstTime) {
      setInterval(() => this.#redraw(), REDRAW_MS);
    }
    this.#redraw();
  }

  #received(numbers) {
    const now = performance.now();
    for (const chart of this.#charts) {
      chart.push(now, numbers);
    }
    for (const { name, format, value } of this.#stats) {
      value.textContent = Number.isFinite(numbers[name]) ? format(numbers[name]) : "–";
    }
    this.#redraw();
  }

  #redraw() {
    const { note, status } = describe(this.#visit.state);
    this.#status.textContent = status;
    for (const chart of this.#charts) {
      chart.setNote(note);
      chart.draw(performance.now());
    }
  }
}

function describe({ phase, text = "", retryAt }) {
  if (phase === "connected") {
    return { note: "", status: "Live, one sample a second." };
  }
  const when = phase === "waiting" ? formatWait(retryAt - Date.now()) : "now";
  const why = text.replace("{when}", when);
  if (phase === "connecting" && !why) {
    return { note: "Connecting …", status: "Connecting …" };
  }
  return { note: phase === "closed" ? "No live numbers." : `Interrupted. Trying again ${when}.`, status: why };
}

// Connects the parts: the form, the connection's state, the tabs.

import { Chat } from "./chat.js";
import { drawSparkline } from "./chart.js";
import { closeText, GOING_AWAY } from "./closes.js";
import { Dashboard } from "./dashboard.js";
import { byTestId, element } from "./dom.js";
import { RoomFiller } from "./fill.js";
import { formatNumber, formatWait } from "./format.js";
import { HealthMeter } from "./health.js";
import { ImageShelf } from "./images.js";
import { MembersView } from "./members.js";
import { MessageList } from "./messages.js";
import { nameProblem, tokenProblem } from "./names.js";
import { openVisit } from "./visit.js";

const COUNTDOWN_MS = 100;
const LATENCY_SAMPLES = 24;
const PHASES = {
  idle: "Not connected",
  connecting: "Connecting …",
  connected: "Connected",
  waiting: "Reconnecting",
  closed: "Not connected",
};

const byId = (id) => document.getElementById(id);
const inputs = { name: byTestId("name"), room: byTestId("room"), token: byTestId("token") };
const connectButton = byTestId("connect");
const disconnectButton = byTestId("disconnect");
const messageInput = byTestId("message-input");
const imageInput = byTestId("image-input");

const shelf = new ImageShelf();
const members = new MembersView({ list: byId("members"), count: byId("member-count") });
const list = new MessageList({ list: byId("messages"), scroller: byId("stream"), jump: byId("jump"), shelf });
const chat = new Chat({ list, shelf, roster: members });
const dashboard = new Dashboard({
  stats: byId("stats"),
  status: byId("dashboard-state"),
  identity: () => ({ user: inputs.name.value.trim() || madeUpName(), token: inputs.token.value.trim() }),
});
new RoomFiller({
  button: byId("fill-room"),
  closeButton: byId("fill-close"),
  result: byId("fill-result"),
  where: () => ({ room: inputs.room.value.trim() || "lobby", token: inputs.token.value.trim() }),
});

let visit;
let countdown;

// ---- the form ----

function madeUpName() {
  const [number] = crypto.getRandomValues(new Uint32Array(1));
  return `guest-${number.toString(36)}`;
}

function connect() {
  const user = inputs.name.value.trim();
  const room = inputs.room.value.trim();
  const token = inputs.token.value.trim();
  const problem = nameProblem(user, "name") ?? nameProblem(room, "room") ?? tokenProblem(token);
  showFormProblem(problem);
  if (problem) {
    return;
  }
  leave();
  visit = openVisit({ room, user, token });
  const current = visit;
  chat.attach(visit, user);
  visit.addEventListener("state", ({ detail }) => current === visit && showState(detail));
  watchLatency(visit);
  byId("hint").hidden = true;
  visit.start();
  messageInput.focus({ preventScroll: true });
}

function leave() {
  visit?.stop();
}

function showFormProblem(text) {
  byId("form-problem").hidden = !text;
  byId("form-problem").textContent = text ?? "";
}

function linkSecondTab() {
  const query = new URLSearchParams({ room: inputs.room.value.trim(), connect: "1" });
  byId("second-tab").href = `?${query}`;
}

byId("connect-form").addEventListener("submit", (event) => {
  event.preventDefault();
  connect();
});
disconnectButton.addEventListener("click", () => {
  leave();
  connectButton.focus();
});
inputs.room.addEventListener("input", linkSecondTab);

// ---- the state of the connection ----

function showState(state) {
  const { phase } = state;
  const connected = phase === "connected";
  const stopped = phase === "idle" || phase === "closed";
  document.body.dataset.phase = phase;
  connectButton.hidden = connected;
  disconnectButton.hidden = stopped;
  inputs.name.readOnly = connected;
  inputs.room.readOnly = connected;
  byTestId("send").disabled = !connected;
  imageInput.disabled = !connected;
  if (connected) {
    // The server decides the name, and a reconnect returns to the first room.
    inputs.name.value = chat.user;
    inputs.room.value = chat.room;
    members.self = chat.user;
  } else {
    members.reset([], 0);
    showLatency([]);
  }

  const stateLine = byTestId("state");
  stateLine.dataset.phase = phase;
  stateLine.replaceChildren(connected ? `Connected to ${chat.room} as ${chat.user}` : PHASES[phase]);
  if (phase === "waiting") {
    // Only this is read out; the countdown ticks silently.
    stateLine.append(element("span", { class: "visually-hidden" }, `. ${bannerText()}`));
    stateLine.append(element("span", { id: "countdown", "aria-hidden": "true" }));
  } else if (phase === "closed" && state.text) {
    stateLine.append(element("span", { class: "visually-hidden" }, `. ${state.text}`));
  }
  showBanner();
}

function bannerText() {
  const { phase, text = "", retryAt } = visit.state;
  const announced = phase === "connected" && visit.drainUntil !== undefined;
  const until = announced ? visit.drainUntil : retryAt;
  const when = until === undefined ? "now" : formatWait(until - Date.now());
  return (announced ? closeText(GOING_AWAY) : text).replace("{when}", when);
}

/** Shows the banner, and updates it until its countdown ends. */
function showBanner() {
  clearTimeout(countdown);
  const text = bannerText();
  const { phase, retryAt } = visit.state;
  byTestId("banner").hidden = text === "";
  byId("banner-text").textContent = text;
  byId("retry-now").hidden = phase !== "waiting";
  if (phase === "waiting") {
    byId("countdown").textContent = ` ${formatWait(retryAt - Date.now())}`;
  }
  if (phase === "waiting" || visit.drainUntil !== undefined) {
    countdown = setTimeout(showBanner, COUNTDOWN_MS);
  }
}

byId("retry-now").addEventListener("click", () => visit.retryNow());

// ---- latency ----

function watchLatency(current) {
  const samples = [];
  new HealthMeter({ client: current.client, visit: current }).addEventListener("sample", ({ detail }) => {
    samples.push(detail);
    samples.splice(0, samples.length - LATENCY_SAMPLES);
    if (current === visit) {
      showLatency(samples);
    }
  });
}

function showLatency(samples) {
  const last = samples.at(-1);
  byId("latency").textContent = last === undefined ? "–" : last === null ? "no answer" : `${formatNumber(Number(last.toFixed(1)))} ms`;
  drawSparkline(byId("sparkline"), samples, LATENCY_SAMPLES);
}

// ---- writing ----

byId("message-form").addEventListener("submit", (event) => {
  event.preventDefault();
  const text = messageInput.value;
  if (text.trim() !== "" && chat.sendText(text)) {
    messageInput.value = "";
  }
  messageInput.focus({ preventScroll: true });
});

function sendImages(files) {
  if (visit?.state.phase !== "connected") {
    return;
  }
  for (const file of files) {
    chat.sendImage(file);
  }
}

imageInput.addEventListener("change", () => {
  sendImages([...imageInput.files]);
  // So that choosing the same picture again fires a change event.
  imageInput.value = "";
});

const carriesFiles = (event) => event.dataTransfer?.types.includes("Files");
const conversation = byId("conversation");
// On the whole document, because a picture dropped beside the conversation would otherwise replace
// the page.
document.addEventListener("dragover", (event) => {
  if (carriesFiles(event)) {
    event.preventDefault();
    conversation.classList.toggle("dropping", conversation.contains(event.target));
  }
});
document.addEventListener("dragleave", () => conversation.classList.remove("dropping"));
document.addEventListener("drop", (event) => {
  conversation.classList.remove("dropping");
  if (carriesFiles(event)) {
    event.preventDefault();
    if (conversation.contains(event.target)) {
      sendImages(event.dataTransfer.files);
    }
  }
});
document.addEventListener("paste", (event) => {
  if (event.clipboardData.files.length > 0) {
    event.preventDefault();
    sendImages(event.clipboardData.files);
  }
});

// ---- tabs and panels ----

const tabs = [byId("chat-tab"), byId("dashboard-tab")];

function selectTab(selected) {
  for (const tab of tabs) {
    const active = tab === selected;
    tab.setAttribute("aria-selected", active);
    tab.tabIndex = active ? 0 : -1;
    byId(tab.getAttribute("aria-controls")).hidden = !active;
  }
  if (selected.id === "dashboard-tab") {
    dashboard.open();
  }
}

for (const tab of tabs) {
  tab.addEventListener("click", () => selectTab(tab));
  tab.addEventListener("keydown", (event) => {
    if (event.key === "ArrowLeft" || event.key === "ArrowRight") {
      const other = tabs.find((candidate) => candidate !== tab);
      selectTab(other);
      other.focus();
    }
  });
}

document.addEventListener("keydown", (event) => {
  const panel = event.key === "Escape" && event.target instanceof Element && event.target.closest("details[open]");
  if (panel) {
    panel.open = false;
    panel.querySelector("summary").focus();
  }
});

// ---- start ----

const query = new URLSearchParams(location.search);
inputs.name.value = query.get("user") || madeUpName();
inputs.room.value = query.get("room") || "lobby";
linkSecondTab();
if (query.has("connect")) {
  connect();
}

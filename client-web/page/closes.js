// What a close code means to the person in front of the page. `{when}` in a text becomes "in 8 s" or "now".

export const GOING_AWAY = 1001;
export const ABNORMAL = 1006;

const NEVER = "never";
const SOON = "soon";
const LATER = "later";

const CAPACITY = {
  server_full: "The server is full. Wait for a free seat: trying again {when}.",
  lobby_full: "The room is full. Try another room, or wait: trying again {when}.",
  user_limit: "This name has as many connections as it may have. Close another tab, or wait: trying again {when}.",
};

const MEANINGS = {
  1000: [NEVER, "The connection was closed."],
  [GOING_AWAY]: [SOON, "The server is restarting; you will be reconnected {when}."],
  1002: [NEVER, "The server and this page do not speak the same protocol."],
  1003: [NEVER, "The server does not accept this kind of message."],
  1007: [NEVER, "The server received text that it could not read."],
  1008: [SOON, "The server closed the connection because nothing was sent for a while. Reconnecting {when}."],
  1011: [SOON, "Something failed in the server. Trying again {when}."],
  4001: [NEVER, "The server wants a valid token. Enter one under “Token”, then connect again."],
  4002: [LATER, "No seat is free. Trying again {when}."],
  4003: [NEVER, "You are not allowed in here."],
  4004: [NEVER, "You connected from somewhere else, and that connection took this seat."],
  4008: [SOON, "This tab was too slow to read what was sent to it. Reconnecting {when}."],
  4010: [SOON, "The server had no sign of life from this tab. Reconnecting {when}."],
  4029: [LATER, "Too much was sent in too short a time. Reconnecting {when}."],
  [ABNORMAL]: [SOON, "The server cannot be reached. Trying again {when}."],
};

/** `retry` is "never", "soon" or "later"; the text of the last two holds `{when}`. */
export function closeMeaning(code, reason = "") {
  if (code === 4002 && Object.hasOwn(CAPACITY, reason)) {
    return { retry: LATER, text: CAPACITY[reason] };
  }
  if (code === 1009) {
    const detail = reason ? ` (${reason})` : "";
    return { retry: SOON, text: `A message was too big for the server${detail}. Reconnecting without it {when}.` };
  }
  if (Object.hasOwn(MEANINGS, code)) {
    const [retry, text] = MEANINGS[code];
    return { retry, text };
  }
  const detail = reason ? `${code}, ${reason}` : code;
  return { retry: SOON, text: `The connection was closed (${detail}). Trying again {when}.` };
}

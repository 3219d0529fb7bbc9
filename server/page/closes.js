// What a close, a refusal or a refresh means for the user. `{when}` in a text becomes "in 8 s" or
// "now".

export const GOING_AWAY = 1001;
export const ABNORMAL = 1006;
export const FULL = "lobby_full";

export const NEVER_OPENED =
  "No connection was ever opened, and a browser is not told why: the server may be away, want another token, or not allow this page's origin or host. Its log says which. Trying again {when}.";

const CAPACITY = {
  server_full: "The server is full. Wait for a free seat: trying again {when}.",
  [FULL]: "The room is full. Try another room, or wait: trying again {when}.",
  user_limit: "This name has as many connections as it may have. Close another tab, or wait: trying again {when}.",
};

const MEANINGS = {
  1000: "The connection was closed.",
  [GOING_AWAY]: "The server is restarting; you will be reconnected {when}.",
  1002: "The server and this page do not speak the same protocol.",
  1003: "The server does not accept this kind of message.",
  1007: "The server received text that it could not read.",
  1008: "The server closed the connection because nothing was sent for a while. Reconnecting {when}.",
  1011: "Something failed in the server. Trying again {when}.",
  4001: "The server wants a valid token. Enter one under “Token”, then connect again.",
  4002: "No seat is free. Trying again {when}.",
  4003: "You are not allowed in here.",
  4004: "You connected from somewhere else, and that connection took this seat.",
  4008: "This tab was too slow to read what was sent to it. Reconnecting {when}.",
  4010: "The server had no sign of life from this tab. Reconnecting {when}.",
  4029: "Too much was sent in too short a time. Reconnecting {when}.",
  [ABNORMAL]: "The server cannot be reached. Trying again {when}.",
};

/** Contains `{when}` if the client reconnects by itself. */
export function closeText(code = ABNORMAL, reason = "") {
  if (code === 4002 && Object.hasOwn(CAPACITY, reason)) {
    return CAPACITY[reason];
  }
  if (code === 1009) {
    const detail = reason ? ` (${reason})` : "";
    return `A message was too big for the server${detail}. Connect again to go on without it.`;
  }
  if (Object.hasOwn(MEANINGS, code)) {
    return MEANINGS[code];
  }
  const detail = reason ? `${code}, ${reason}` : code;
  return `The connection was closed (${detail}). Trying again {when}.`;
}

const REASONS = {
  unknown_epoch: "the server has started anew",
  too_old: "the server does not keep it any longer",
};

/** Why messages are missing from the conversation. */
export function refreshText(reason) {
  const why = Object.hasOwn(REASONS, reason) ? REASONS[reason] : reason;
  return `What was said while you were away could not be recovered: ${why}.`;
}

/** Why the room could not be joined; contains `{when}` if it is full. */
export function refusalText(code, message) {
  return code === FULL ? CAPACITY[FULL] : `The server does not let you in here: ${message} (${code}).`;
}

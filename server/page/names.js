// Names of rooms and users, and tokens: what can be sent at all.

const MAX_NAME_BYTES = 128;

const encoder = new TextEncoder();

export function byteLength(text) {
  return encoder.encode(text).length;
}

/** Why this cannot be the name of a room or a user; undefined if it can. */
export function nameProblem(name, what) {
  if (name === "") {
    return `The ${what} is missing.`;
  }
  if (byteLength(name) > MAX_NAME_BYTES) {
    return `The ${what} is too long: at most ${MAX_NAME_BYTES} bytes.`;
  }
  if (/[\p{Cc}\p{Cs}]/u.test(name)) {
    return `The ${what} holds a character that cannot be sent.`;
  }
  return undefined;
}

/** A token travels as the name of a subprotocol, and only some characters may be in that. */
export function tokenProblem(token) {
  return /^[\w!#$%&'*+.^`|~-]*$/.test(token) ? undefined : "The token holds a character that cannot be sent.";
}

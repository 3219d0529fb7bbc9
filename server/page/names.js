// Validates names of rooms and users, and tokens.

const MAX_NAME_BYTES = 128;

const encoder = new TextEncoder();

export function byteLength(text) {
  return encoder.encode(text).length;
}

/** Returns why this is not a valid name of a room or a user; undefined if it is. */
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

/** A token is sent as the name of a subprotocol, which allows only some characters. */
export function tokenProblem(token) {
  return /^[\w!#$%&'*+.^`|~-]*$/.test(token) ? undefined : "The token holds a character that cannot be sent.";
}

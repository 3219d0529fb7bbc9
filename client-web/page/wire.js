// The bytes of PROTOCOL.md, "Binary frames".

const VERSION = 1;
const PUBLISH = 0;
const PUBLICATION = 128;
const DIRECT_TO_CLIENT = 129;
const SENT_HEADER = 8;
const RECEIVED_HEADER = 32;

export const MAX_ROOM_BYTES = 128;
const MAX_TYPE_BYTES = 64;
const MAX_ID_BYTES = 64;

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true });

export class WireError extends Error {
  name = "WireError";
}

export function byteLength(text) {
  return encoder.encode(text).length;
}

/** What a frame weighs beside its payload: the payload may be as big as the server's limit minus this. */
export function publishOverhead({ room = "", type = "", id = "" }) {
  return SENT_HEADER + byteLength(room) + byteLength(type) + byteLength(id);
}

/** A binary publication, ready for `WebSocket.send`. */
export function encodePublish({ room = "", type = "", id = "", payload }) {
  const names = [
    encodeName(room, "room", MAX_ROOM_BYTES),
    encodeName(type, "type", MAX_TYPE_BYTES),
    encodeName(id, "id", MAX_ID_BYTES),
  ];
  const total = names.reduce((sum, name) => sum + name.length, SENT_HEADER + payload.length);
  const frame = new Uint8Array(total);
  frame.set([VERSION, PUBLISH, ...names.map((name) => name.length)]);
  let at = SENT_HEADER;
  for (const part of [...names, payload]) {
    frame.set(part, at);
    at += part.length;
  }
  return frame;
}

function encodeName(text, field, limit) {
  const bytes = encoder.encode(text);
  if (bytes.length > limit) {
    throw new WireError(`the ${field} is ${bytes.length} bytes long, the limit is ${limit}`);
  }
  return bytes;
}

/**
 * A binary frame from the server. `position` is "epoch:offset" and absent from a direct message; `payload` is a view
 * of the given bytes, not a copy.
 */
export function decodeFrame(buffer) {
  const bytes = new Uint8Array(buffer);
  if (bytes.length < RECEIVED_HEADER) {
    throw new WireError(`${bytes.length} bytes are too few for a header`);
  }
  const [version, kind, roomLength, typeLength, idLength, fromLength] = bytes;
  if (version !== VERSION) {
    throw new WireError(`version ${version} is not known`);
  }
  if (kind !== PUBLICATION && kind !== DIRECT_TO_CLIENT) {
    throw new WireError(`kind ${kind} does not go to a client`);
  }
  if (RECEIVED_HEADER + roomLength + typeLength + idLength + fromLength > bytes.length) {
    throw new WireError("the names end after the frame does");
  }

  let at = RECEIVED_HEADER;
  const takeName = (length) => {
    const name = decodeName(bytes.subarray(at, at + length));
    at += length;
    return name;
  };
  const head = new DataView(bytes.buffer, bytes.byteOffset, RECEIVED_HEADER);
  const frame = {
    direct: kind === DIRECT_TO_CLIENT,
    timestamp: Number(head.getBigUint64(24)),
    room: takeName(roomLength),
    type: takeName(typeLength) || "binary",
    id: takeName(idLength) || undefined,
    from: takeName(fromLength) || undefined,
    payload: bytes.subarray(at),
  };
  if (!frame.direct) {
    const epoch = head.getBigUint64(8).toString(16).padStart(16, "0");
    frame.position = `${epoch}:${head.getBigUint64(16)}`;
  }
  return frame;
}

function decodeName(bytes) {
  try {
    return decoder.decode(bytes);
  } catch {
    throw new WireError("a name is not UTF-8");
  }
}

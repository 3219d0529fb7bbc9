// The bytes of PROTOCOL.md: text messages, and "Binary frames".

import type { Message } from "./vocabulary.js";

const PUBLISH = 0;
const DIRECT = 1;
const PUBLICATION = 128;
const DIRECT_TO_CLIENT = 129;
const ANSWER = 130;
const RECEIVED_HEADER = 32;
const MAX_NAME_BYTES = 255;

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true });

/** How many bytes a message takes on the wire. */
export function sizeOf(message: Message): number {
  const data = encode(message);
  return typeof data === "string" ? encoder.encode(data).length : data.length;
}

/** A message as the socket takes it: text, or a binary frame if the payload is bytes. */
export function encode(message: Message): string | Uint8Array<ArrayBuffer> {
  const { type, id, room, to, payload } = message;
  if (!(payload instanceof Uint8Array)) {
    return JSON.stringify(message);
  }
  const direct = to !== undefined;
  const names = [direct ? to : room, direct ? "" : type, id].map((name) => encoder.encode((name as string | undefined) ?? ""));
  const lengths = names.map(({ length }) => length);
  if (lengths.some((length) => length > MAX_NAME_BYTES)) {
    throw new RangeError("a name is too long for a binary message");
  }
  const parts = [Uint8Array.of(1, direct ? DIRECT : PUBLISH, ...lengths, 0, 0, 0), ...names, payload];
  const frame = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    frame.set(part, at);
    at += part.length;
  }
  return frame;
}

/** A message from what the socket gave; throws if it cannot be read. */
export function decode(data: string | ArrayBuffer): Message {
  const message: unknown = typeof data === "string" ? JSON.parse(data) : decodeFrame(new Uint8Array(data));
  if (typeof (message as Message | null)?.type !== "string") {
    throw new SyntaxError("a message without a type");
  }
  return message as Message;
}

function decodeFrame(bytes: Uint8Array): Message {
  const [version, kind, ...lengths] = bytes.subarray(0, 6);
  const payloadAt = lengths.reduce((sum, length) => sum + length, RECEIVED_HEADER);
  if (version !== 1 || bytes.length < payloadAt) {
    throw new SyntaxError("a binary message with a bad header");
  }
  let at = RECEIVED_HEADER;
  const [room, type, id, from] = lengths.map((length) => decoder.decode(bytes.subarray(at, (at += length))));
  const head = new DataView(bytes.buffer, bytes.byteOffset);
  const message = {
    ...(id && { id }),
    ...(from && { from }),
    timestamp: Number(head.getBigUint64(24)),
    payload: bytes.subarray(payloadAt),
  };
  switch (kind) {
    case PUBLICATION: {
      const epoch = head.getBigUint64(8).toString(16).padStart(16, "0");
      return { ...message, type: type || "binary", room: room as string, event_id: `${epoch}:${head.getBigUint64(16)}` };
    }
    case DIRECT_TO_CLIENT:
      return { ...message, type: "direct" };
    case ANSWER:
      return { type: "ack", id: id as string, payload: message.payload };
    default:
      throw new SyntaxError("a kind of binary message that does not go to a client");
  }
}

/** The events of a `history`: there, bytes come as base64. */
export function fromHistory({ binary, ...event }: Message): Message {
  return typeof binary === "string" ? { ...event, payload: Uint8Array.from(atob(binary), (char) => char.charCodeAt(0)) } : (event as Message);
}

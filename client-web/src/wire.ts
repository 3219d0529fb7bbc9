// The wire format of PROTOCOL.md: text messages, and "Binary frames".

import type { Message } from "./vocabulary.js";

const VERSION = 1;
const PUBLISH = 0;
const DIRECT = 1;
/** The frame kinds that clients receive, and their types; a publication carries its own type. */
const KINDS: { [Kind in number]?: string } = { 128: "", 129: "direct", 130: "ack" };
const RECEIVED_HEADER = 32;
const MAX_NAME_BYTES = 255;

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true });

/** Returns a message's size on the wire, in bytes. */
export function sizeOf(message: Message): number {
  const data = encode(message);
  return typeof data === "string" ? encoder.encode(data).length : data.length;
}

/** Encodes a message for the socket: as text, or as a binary frame if the payload is bytes. */
export function encode(message: Message): string | Uint8Array<ArrayBuffer> {
  const { type, id, room, to, payload } = message;
  if (!(payload instanceof Uint8Array)) {
    return JSON.stringify(message);
  }
  const names = (to === undefined ? [room, type, id] : [to, "", id]).map((name) => encoder.encode((name ?? "") as string));
  const head = [VERSION, to === undefined ? PUBLISH : DIRECT, ...names.map(({ length }) => length), 0, 0, 0];
  if (Math.max(...head) > MAX_NAME_BYTES) {
    throw new RangeError("long name");
  }
  const parts = [head, ...names, payload];
  const frame = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    frame.set(part, at);
    at += part.length;
  }
  return frame;
}

/** Decodes a message from the socket; throws if it is unreadable. */
export function decode(data: string | ArrayBuffer): Message {
  const message: Message | null = typeof data === "string" ? JSON.parse(data) : decodeFrame(new Uint8Array(data));
  if (typeof message?.type !== "string") {
    throw new SyntaxError("bad message");
  }
  return message;
}

/** Decodes a binary frame; `type` is missing if the frame is not of a kind that clients receive. */
function decodeFrame(bytes: Uint8Array): Message {
  const [version, kind, ...lengths] = bytes.subarray(0, 6);
  let at = RECEIVED_HEADER;
  const [room, name, id, from] = lengths.map((length) => decoder.decode(bytes.subarray(at, (at += length))) || undefined);
  const type = version === VERSION && at <= bytes.length ? KINDS[kind as number] : undefined;
  const head = new DataView(bytes.buffer);
  const epoch = head.getBigUint64(8).toString(16).padStart(16, "0");
  return {
    type: type === "" ? (name ?? "binary") : (type as string),
    id,
    room,
    from,
    timestamp: Number(head.getBigUint64(24)),
    payload: bytes.subarray(at),
    ...(type === "" && { event_id: `${epoch}:${head.getBigUint64(16)}` }),
  };
}

/** Decodes the events of a `history`, in which bytes are base64. */
export function fromHistory({ binary, ...event }: Message): Message {
  return typeof binary === "string" ? { ...event, payload: Uint8Array.from(atob(binary), (char) => char.charCodeAt(0)) } : (event as Message);
}

/**
 * A copy of a JSON value or bytes: what the application does with the original later must not
 * change what is sent.
 */
export function snapshot(payload: unknown): unknown {
  if (payload instanceof ArrayBuffer || ArrayBuffer.isView(payload)) {
    const { buffer, byteOffset, byteLength } = payload as Uint8Array;
    return new Uint8Array(buffer ?? payload, byteOffset, byteLength).slice();
  }
  return JSON.parse(JSON.stringify({ payload })).payload;
}

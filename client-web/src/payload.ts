/** A JSON value or bytes, as it is now: what the application does with the original later must not change what is sent. */
export function snapshot(payload: unknown): unknown {
  if (payload instanceof ArrayBuffer) {
    return new Uint8Array(payload.slice(0));
  }
  if (ArrayBuffer.isView(payload)) {
    return new Uint8Array(payload.buffer, payload.byteOffset, payload.byteLength).slice();
  }
  return payload === undefined ? undefined : JSON.parse(JSON.stringify(payload));
}

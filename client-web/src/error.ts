/** `code` is one of PROTOCOL.md's error codes, or one of the client's own: see the README. */
export class SwitchboardError extends Error {
  override readonly name = "SwitchboardError";
  readonly code: string;

  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }
}

// What a server or a proxy answered instead of opening the socket. Only the package `ws` tells.

import type { Events } from "./vocabulary.js";

interface Response {
  readonly statusCode: number;
  readonly headers: { readonly "retry-after"?: string };
  setEncoding(encoding: "utf8"): void;
  on(event: "data", listener: (text: string) => void): void;
  on(event: "end" | "error", listener: () => void): void;
}

/** A socket of the package `ws`; others do not have `on`. */
export interface NodeSocket {
  on?(event: "unexpected-response", listener: (request: unknown, response: Response) => void): void;
}

/** More than our server ever answers. */
const LONGEST_BODY = 16_384;

/** Calls `told` with the refusal, once its body has arrived or is longer than any of ours. */
export function readRefusal(socket: NodeSocket, told: (refusal: Events["refused"]) => void): void {
  socket.on?.("unexpected-response", (_, response) => {
    let body = "";
    const done = () => told({ status: response.statusCode, code: errorCode(body), retry_after_ms: Number(response.headers["retry-after"]) * 1_000 || undefined });
    response.setEncoding("utf8");
    response.on("data", (text) => {
      body += text;
      if (body.length > LONGEST_BODY) {
        body = "";
        done();
      }
    });
    response.on("end", done);
    response.on("error", done);
  });
}

/** Returns the code of an error body of Switchboard's; `undefined` if it is of somebody else. */
function errorCode(body: string): string | undefined {
  try {
    const { code } = JSON.parse(body).error;
    return typeof code === "string" ? code : undefined;
  } catch {
    return undefined;
  }
}

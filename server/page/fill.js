// "What happens when it is full?": visitors join the room one after another until the server
// refuses.

import { ABNORMAL } from "./closes.js";
import { plural } from "./format.js";
import { Client } from "./switchboard-client.js";

// Browsers allow a page about 200 WebSockets; beyond that, the browser would refuse, which proves
// nothing.
const MAX_VISITORS = 150;

export class RoomFiller {
  #button;
  #closeButton;
  #result;
  #where;
  #visitors = new Set();
  #running = false;

  /** `where` returns `{ room, token }` at the time of the click. */
  constructor({ button, closeButton, result, where }) {
    this.#button = button;
    this.#closeButton = closeButton;
    this.#result = result;
    this.#where = where;
    button.addEventListener("click", () => this.#fill());
    closeButton.addEventListener("click", () => this.#closeAll());
  }

  async #fill() {
    const { room, token } = this.#where();
    this.#running = true;
    this.#render();
    let outcome = `The server let all ${MAX_VISITORS} in; that is as many as this demonstration opens.`;
    for (let number = 1; this.#running && number <= MAX_VISITORS; number += 1) {
      this.#result.textContent = `visitor-${number} knocks at ${room} …`;
      const refusal = await this.#enter(room, token, `visitor-${number}`);
      if (refusal) {
        outcome = `visitor-${number} was refused: ${describe(refusal)}.`;
        break;
      }
    }
    if (this.#running) {
      this.#result.textContent = `${plural(this.#visitors.size, "visitor")} got into ${room}. ${outcome}`;
      this.#result.scrollIntoView({ block: "nearest" });
    }
    this.#running = false;
    this.#render();
  }

  /** Returns the close of a visitor that was refused; undefined if it got in. */
  #enter(room, token, user) {
    // The room is in the path, so that a refused visitor is told by a close code, like any other
    // program.
    const visitor = new Client(`/ws/${encodeURIComponent(room)}`, { user, token: token || undefined });
    return new Promise((resolve) => {
      visitor.on("state", (change) => {
        if (change.state === "open") {
          this.#visitors.add(visitor);
          resolve(undefined);
        } else if (change.state !== "connecting") {
          this.#visitors.delete(visitor);
          resolve(change);
          // Visitors do not reconnect.
          visitor.close();
        }
        this.#render();
      });
      visitor.connect();
    });
  }

  #closeAll() {
    this.#running = false;
    const count = this.#visitors.size;
    for (const visitor of [...this.#visitors]) {
      visitor.close();
    }
    this.#result.textContent = `${plural(count, "visitor")} left.`;
  }

  #render() {
    this.#button.disabled = this.#running || this.#visitors.size > 0;
    this.#closeButton.hidden = this.#visitors.size === 0;
    this.#closeButton.textContent = `Close ${plural(this.#visitors.size, "visitor")}`;
  }
}

function describe({ code = ABNORMAL, reason }) {
  if (code === ABNORMAL) {
    return "no WebSocket was opened, and a browser is not told why";
  }
  return reason ? `close code ${code}, reason “${reason}”` : `close code ${code}`;
}

// The conversation in one room: incoming events become list entries, typed text becomes messages.

import { refreshText } from "./closes.js";
import { element } from "./dom.js";
import { plural } from "./format.js";
import { ImageError, prepareImage } from "./images.js";
import { byteLength } from "./names.js";

const IMAGE_TYPE = "image";
const DEFAULT_MAX_BYTES = 65_536;
// Bytes of the longest id and of a binary message's header.
const ENVELOPE_BYTES = 100;
const ECHOES_KEPT = 100;

export class Chat {
  #list;
  #shelf;
  #roster;
  #visit;
  #room;
  #user;
  #counter = 0;
  /** When own messages were published that are not confirmed yet, by event_id. */
  #echoes = new Map();

  /** `roster` is updated with `reset`, `add` and `remove`, as in roster.js. */
  constructor({ list, shelf, roster }) {
    this.#list = list;
    this.#shelf = shelf;
    this.#roster = roster;
  }

  get room() {
    return this.#room;
  }

  get user() {
    return this.#user;
  }

  attach(visit, user) {
    const { client, room } = visit;
    this.#visit = visit;
    if (room.name !== this.#room) {
      this.#list.clear();
    }
    this.#room = room.name;
    this.#user = user;
    const ifCurrent = (handler) => (value) => visit === this.#visit && handler(value);
    room.on("joined", ifCurrent((joined) => this.#entered(joined)));
    room.on("message", ifCurrent((message) => this.#received(message)));
    room.on("member_joined", ifCurrent(({ user: who }) => {
      if (this.#roster.add(who) && who !== this.#user) {
        this.#list.presence("joined", who);
      }
    }));
    room.on("member_left", ifCurrent(({ user: who }) => {
      this.#roster.remove(who);
      this.#list.presence("left", who);
    }));
    room.on("gap", ifCurrent(({ dropped }) =>
      this.#list.notice("gap", `${plural(dropped, "message was", "messages were")} skipped because this tab was too slow.`)));
    room.on("refresh", ifCurrent(({ reason }) => {
      this.#list.notice("refresh", refreshText(reason));
      this.#askForMembers();
    }));
    room.on("left", ifCurrent(({ code }) => {
      if (!code) {
        this.#list.notice("left-room", `You were taken out of ${this.#room}.`);
      }
    }));
    client.on("direct", ifCurrent((message) => this.#direct(message)));
    client.on("error", ifCurrent((error) => this.#failed(error)));
  }

  /** Returns whether the input's text was sent. */
  sendText(text) {
    const payload = { text };
    const limit = this.#maxBytes;
    if (byteLength(JSON.stringify({ type: "chat", room: this.#room, payload })) + ENVELOPE_BYTES > limit) {
      this.#list.notice("refused", `That text is too long: a message may have ${plural(limit, "byte")}.`);
      return false;
    }
    this.#sendOwn("chat", payload, textContent(text));
    return true;
  }

  async sendImage(file) {
    try {
      const budget = this.#maxBytes - byteLength(this.#room) - ENVELOPE_BYTES;
      const { bytes, note } = await prepareImage(file, budget);
      this.#sendOwn(IMAGE_TYPE, bytes, () => this.#shelf.show(bytes, this.#user));
      if (note) {
        this.#list.notice("scaled", note);
      }
    } catch (error) {
      if (!(error instanceof ImageError)) {
        throw error;
      }
      this.#list.notice("refused", error.message);
    }
  }

  get #maxBytes() {
    return this.#visit.client.greeting?.limits?.max_message_bytes ?? DEFAULT_MAX_BYTES;
  }

  /**
   * Shows the message at once and its outcome later: the client resends it until the server
   * answers.
   */
  #sendOwn(type, payload, content) {
    this.#counter += 1;
    const id = `own-${this.#counter}`;
    const { room } = this.#visit;
    const send = async () => {
      try {
        const { event_id: position } = await room.send(type, payload);
        if (this.#list.isOwn(id)) {
          this.#list.confirm(id, this.#echoes.get(position));
        }
        this.#echoes.delete(position);
      } catch ({ code, message }) {
        if (this.#list.isOwn(id)) {
          this.#list.fail(id, `Not sent: ${message} (${code}).`);
        }
      }
    };
    const resend = () => {
      void send();
      return true;
    };
    this.#list.add({ id, from: this.#user, own: true, timestamp: Date.now(), content: content(), resend });
    void send();
  }

  #entered({ recovered }) {
    this.#user = this.#visit.client.greeting?.user ?? this.#user;
    if (recovered) {
      this.#list.notice("resumed", "You are back, and nothing was lost.");
    }
    this.#askForMembers();
  }

  async #askForMembers() {
    const visit = this.#visit;
    try {
      const { members, total } = await visit.room.members();
      if (visit === this.#visit) {
        this.#roster.reset(members, total);
      }
    } catch {
      // The connection was lost again; the next one asks for itself.
    }
  }

  #received(message) {
    switch (message.type) {
      case "chat":
        this.#published(message, textContent(textOf(message.payload)));
        break;
      case IMAGE_TYPE:
        if (message.payload instanceof Uint8Array) {
          this.#published(message, () => this.#shelf.show(message.payload, message.from ?? "the server"));
        }
        break;
    }
  }

  #failed({ code, message }) {
    if (code === "unreadable") {
      this.#list.notice("unreadable", `A message could not be read and was left out: ${message}.`);
    } else {
      console.error(message);
    }
  }

  #published({ id, from = "The server", timestamp, own, event_id: position }, content) {
    if (!own) {
      this.#list.add({ id, from, own: from === this.#user, timestamp, content: content() });
      return;
    }
    this.#echoes.set(position, timestamp);
    if (this.#echoes.size > ECHOES_KEPT) {
      const [oldest] = this.#echoes.keys();
      this.#echoes.delete(oldest);
    }
  }

  #direct({ from = "The server", timestamp, payload }) {
    this.#list.add({ from, direct: true, timestamp, content: textContent(textOf(payload))() });
  }
}

function textOf(payload) {
  return typeof payload?.text === "string" ? payload.text : JSON.stringify(payload ?? null);
}

function textContent(text) {
  return () => element("p", { class: "text", dir: "auto" }, text);
}

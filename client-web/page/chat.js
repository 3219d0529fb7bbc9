// The conversation in one room: what arrives becomes entries of the list, what is typed becomes messages.

import { element } from "./dom.js";
import { plural } from "./format.js";
import { ImageError, prepareImage } from "./images.js";
import { byteLength, encodePublish, publishOverhead } from "./wire.js";

const IMAGE_TYPE = "image";
const CONNECTION_LOST = "The connection was lost before the server confirmed this.";

export class Chat {
  #list;
  #shelf;
  #roster;
  #connection;
  #room;
  #user;
  // Another tab of the same user also sends and sees the echo: a counter alone would match its messages.
  #prefix = crypto.getRandomValues(new Uint32Array(1))[0].toString(36);
  #counter = 0;

  /** `roster` is told who is here, with `reset`, `add` and `remove` as in roster.js. */
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

  attach(connection, room, user) {
    this.#connection = connection;
    if (room !== this.#room) {
      this.#list.clear();
    }
    this.#room = room;
    this.#user = user;
    const ifCurrent = (handler) => ({ detail }) => connection === this.#connection && handler(detail);
    connection.addEventListener("state", ifCurrent((state) => this.#stateChanged(state)));
    connection.addEventListener("message", ifCurrent((message) => this.#received(message)));
    connection.addEventListener("frame", ifCurrent((frame) => this.#receivedFrame(frame)));
    connection.addEventListener("unreadable", ifCurrent((why) =>
      this.#list.notice("unreadable", `A message could not be read and was left out: ${why}.`)));
  }

  /** Whether the text left the input. */
  sendText(text) {
    const id = this.#nextId();
    const data = JSON.stringify({ type: "chat", id, room: this.#room, payload: { text } });
    const limit = this.#connection.limits.max_message_bytes;
    if (byteLength(data) > limit) {
      this.#list.notice("refused", `That text is too long: a message may have ${plural(limit, "byte")}.`);
      return false;
    }
    return this.#sendOwn(id, data, textContent(text));
  }

  async sendImage(file) {
    const id = this.#nextId();
    const names = { room: this.#room, type: IMAGE_TYPE, id };
    try {
      const budget = this.#connection.limits.max_message_bytes - publishOverhead(names);
      const { bytes, note } = await prepareImage(file, budget);
      const sent = this.#sendOwn(id, encodePublish({ ...names, payload: bytes }), () => this.#shelf.show(bytes, this.#user));
      if (!sent) {
        this.#list.notice("refused", `“${file.name}” was not sent: there is no connection.`);
      } else if (note) {
        this.#list.notice("scaled", note);
      }
    } catch (error) {
      if (!(error instanceof ImageError)) {
        throw error;
      }
      this.#list.notice("refused", error.message);
    }
  }

  #sendOwn(id, data, content) {
    if (!this.#connection.send(data)) {
      return false;
    }
    const resend = () => this.#connection.send(data);
    this.#list.add({ id, from: this.#user, own: true, timestamp: Date.now(), content: content(), resend });
    return true;
  }

  #nextId() {
    this.#counter += 1;
    return `${this.#prefix}-${this.#counter}`;
  }

  #stateChanged(state) {
    if (state.phase === "connected") {
      this.#user = this.#connection.hello.user ?? this.#user;
      this.#askForMembers();
      return;
    }
    for (const id of this.#list.pendingIds) {
      this.#list.fail(id, CONNECTION_LOST);
    }
  }

  #askForMembers() {
    this.#connection.sendMessage({ type: "members", id: this.#nextId(), room: this.#room });
  }

  #received(message) {
    switch (message.type) {
      case "chat":
        this.#published(message, textContent(textOf(message.payload)));
        break;
      case "direct":
        this.#direct(message);
        break;
      case "members":
        this.#roster.reset(message.members, message.total);
        break;
      case "member_joined":
        if (this.#roster.add(message.user) && message.user !== this.#user) {
          this.#list.presence("joined", message.user);
        }
        break;
      case "member_left":
        this.#roster.remove(message.user);
        this.#list.presence("left", message.user);
        break;
      case "ack":
        this.#confirm(message.id);
        break;
      case "error":
        this.#refused(message);
        break;
      case "gap":
        this.#list.notice("gap", `${plural(message.dropped, "message was", "messages were")} skipped because this tab was too slow.`);
        break;
      case "refresh":
        this.#list.notice("refresh", `The stream was interrupted (${message.reason}). Messages may be missing here.`);
        this.#askForMembers();
        break;
      case "left":
        this.#list.notice("left-room", `You were taken out of ${message.room}.`);
        break;
    }
  }

  #receivedFrame(frame) {
    if (frame.type === IMAGE_TYPE && !frame.direct) {
      this.#published(frame, () => this.#shelf.show(frame.payload, frame.from ?? "the server"));
    }
  }

  #published({ id, from = "The server", timestamp }, content) {
    const own = from === this.#user;
    if (own && this.#list.isOwn(id)) {
      this.#confirm(id, timestamp);
    } else {
      this.#list.add({ id, from, own, timestamp, content: content() });
    }
  }

  #direct({ from = "The server", timestamp, payload }) {
    this.#list.add({ from, direct: true, timestamp, content: textContent(textOf(payload))() });
  }

  #confirm(id, timestamp) {
    if (this.#list.isOwn(id)) {
      this.#list.confirm(id, timestamp);
    }
  }

  #refused({ id, code, message }) {
    if (this.#list.isPending(id)) {
      this.#list.fail(id, `Not sent: ${message} (${code}).`);
    } else {
      this.#list.notice("error", `The server refused a request: ${message} (${code}).`);
    }
  }
}

function textOf(payload) {
  return typeof payload?.text === "string" ? payload.text : JSON.stringify(payload ?? null);
}

function textContent(text) {
  return () => element("p", { class: "text", dir: "auto" }, text);
}

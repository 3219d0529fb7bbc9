// The list of messages and notices, on the page.

import { element } from "./dom.js";
import { formatNumber } from "./format.js";

const MAX_ENTRIES = 500;
const BOTTOM_SLACK_PX = 24;
const NAMES_IN_A_NOTICE = 4;

const timeOfDay = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });

export class MessageList {
  #list;
  #scroller;
  #jump;
  #shelf;
  #atBottom;
  #lastScrollTop = 0;
  #unseen = 0;
  #own = new Map();
  #lastPresence;

  constructor({ list, scroller, jump, shelf }) {
    this.#list = list;
    this.#scroller = scroller;
    this.#jump = jump;
    this.#shelf = shelf;
    scroller.addEventListener("scroll", () => this.#noteScroll(), { passive: true });
    this.#setAtBottom(true);
    jump.addEventListener("click", () => this.toBottom());
    // Once a frame and not per message, which would cause a layout for each. It also follows later
    // growth: a picture gets its height after it was appended, a window shrinks.
    const follow = new ResizeObserver(() => this.#atBottom && this.toBottom());
    follow.observe(list);
    follow.observe(scroller);
  }

  /**
   * `content` is a node. `resend` is given for an own message in flight; it sends the message again
   * and returns whether it could. Such a message is pending until `confirm` or `fail`.
   */
  add({ id, from, own = false, direct = false, timestamp, content, resend }) {
    const pending = resend !== undefined;
    const time = element("time");
    const heading = element("p", { class: "heading" }, element("b", { dir: "auto" }, from), " ", time);
    if (direct) {
      heading.append(" ", element("span", { class: "tag" }, "only to you"));
    }
    const node = element(
      "li",
      {
        class: own ? "message own" : "message",
        "data-testid": "message",
        "data-from": from,
        "data-id": id,
        "data-pending": pending,
      },
      heading,
      content,
    );
    setTime(time, timestamp);
    if (own && id !== undefined) {
      this.#own.set(id, { node, resend });
    }
    this.#append(node, pending);
  }

  notice(kind, text) {
    this.#append(element("li", { class: "notice", "data-testid": "notice", "data-kind": kind }, text));
  }

  /** Adds a line "alice, bob joined"; consecutive users share one. `verb` is "joined" or "left". */
  presence(verb, user) {
    const last = this.#lastPresence;
    if (last?.verb === verb && this.#list.lastElementChild === last.node) {
      last.users.push(user);
      last.node.textContent = presenceText(last);
      return;
    }
    this.notice(verb, `${user} ${verb}`);
    this.#lastPresence = { verb, users: [user], node: this.#list.lastElementChild };
  }

  isOwn(id) {
    return this.#own.has(id);
  }

  isPending(id) {
    return this.#own.get(id)?.node.dataset.pending === "true";
  }

  get pendingIds() {
    return [...this.#own.keys()].filter((id) => this.isPending(id));
  }

  /** The server accepted the message; with a `timestamp`, it arrived back as a publication. */
  confirm(id, timestamp) {
    const entry = this.#own.get(id);
    const { node } = entry;
    entry.resend = undefined;
    node.dataset.pending = "false";
    clearProblem(node);
    if (timestamp !== undefined) {
      setTime(node.querySelector("time"), timestamp);
      // It was shown when sent; move it to where the server put it.
      if (node !== this.#list.lastElementChild && !node.contains(document.activeElement)) {
        this.#list.append(node);
      }
    }
  }

  fail(id, text) {
    const { node, resend } = this.#own.get(id);
    node.dataset.pending = "false";
    clearProblem(node);
    const again = element("button", { type: "button", class: "small" }, "Send again");
    again.addEventListener("click", () => {
      if (resend()) {
        node.dataset.pending = "true";
        clearProblem(node);
      }
    });
    node.dataset.failed = "true";
    node.append(element("p", { class: "problem", "data-testid": "message-error" }, text, " ", again));
  }

  clear() {
    this.#shelf.release(this.#list);
    this.#list.replaceChildren();
    this.#own.clear();
    this.toBottom();
  }

  toBottom() {
    this.#scroller.scrollTop = this.#scroller.scrollHeight;
    // The next scroll event does not come from the user: content shrank or grew in this frame.
    this.#lastScrollTop = 0;
    this.#setAtBottom(true);
  }

  #append(node, follow = false) {
    this.#list.append(node);
    while (this.#list.childElementCount > MAX_ENTRIES) {
      const oldest = this.#list.firstElementChild;
      this.#own.delete(oldest.dataset.id);
      this.#shelf.release(oldest);
      oldest.remove();
    }
    if (follow) {
      this.toBottom();
    } else if (!this.#atBottom && node.classList.contains("message")) {
      this.#showUnseen(this.#unseen + 1);
    }
  }

  #noteScroll() {
    const { scrollTop, scrollHeight, clientHeight } = this.#scroller;
    // Only scrolling up leaves the bottom: a picture that has just grown also increases the
    // distance to it.
    const wentUp = scrollTop < this.#lastScrollTop;
    this.#lastScrollTop = scrollTop;
    if (scrollHeight - scrollTop - clientHeight <= BOTTOM_SLACK_PX) {
      this.#setAtBottom(true);
    } else if (wentUp) {
      this.#setAtBottom(false);
    }
  }

  #setAtBottom(atBottom) {
    this.#atBottom = atBottom;
    this.#scroller.classList.toggle("following", atBottom);
    if (atBottom) {
      this.#showUnseen(0);
    }
  }

  #showUnseen(count) {
    this.#unseen = count;
    this.#jump.hidden = count === 0;
    this.#jump.textContent = `↓ ${formatNumber(count)} new`;
  }
}

function presenceText({ verb, users }) {
  const shown = users.slice(0, NAMES_IN_A_NOTICE).join(", ");
  const more = users.length - NAMES_IN_A_NOTICE;
  return more > 0 ? `${shown} and ${formatNumber(more)} more ${verb}` : `${shown} ${verb}`;
}

function setTime(node, timestamp) {
  const date = new Date(timestamp);
  if (!Number.isNaN(date.getTime())) {
    node.dateTime = date.toISOString();
    node.textContent = timeOfDay.format(date);
  }
}

function clearProblem(node) {
  delete node.dataset.failed;
  node.querySelector(".problem")?.remove();
}

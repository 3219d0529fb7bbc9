// The list of the room's members, on the page.

import { element } from "./dom.js";
import { formatNumber } from "./format.js";
import { Roster } from "./roster.js";

export class MembersView {
  #roster = new Roster();
  #list;
  #count;
  #self;
  #renderQueued = false;

  constructor({ list, count }) {
    this.#list = list;
    this.#count = count;
  }

  /** Marks this user's name. */
  set self(user) {
    this.#self = user;
    this.#queueRender();
  }

  reset(members, total) {
    this.#roster.reset(members, total);
    this.#queueRender();
  }

  add(user) {
    const added = this.#roster.add(user);
    this.#queueRender();
    return added;
  }

  remove(user) {
    this.#roster.remove(user);
    this.#queueRender();
  }

  /** Renders at most once a frame: a room that fills up announces each member. */
  #queueRender() {
    if (!this.#renderQueued) {
      this.#renderQueued = true;
      requestAnimationFrame(() => {
        this.#renderQueued = false;
        this.#render();
      });
    }
  }

  #render() {
    this.#count.textContent = formatNumber(this.#roster.count);
    const rows = this.#roster.users.map((user) => this.#row(user));
    if (this.#roster.unlisted > 0) {
      rows.push(element("li", { class: "faint" }, `and ${formatNumber(this.#roster.unlisted)} more`));
    }
    this.#list.replaceChildren(...rows);
  }

  #row(user) {
    const own = user === this.#self;
    const row = element("li", { "data-testid": "member", "data-user": user, class: own ? "self" : null }, element("span", { dir: "auto" }, user));
    if (own) {
      row.append(" ", element("span", { class: "tag" }, "you"));
    }
    return row;
  }
}

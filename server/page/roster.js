// The users in the room. The server lists at most a thousand names; the others are only counted.

export class Roster {
  #users = new Set();
  #unlisted = 0;

  get count() {
    return this.#users.size + this.#unlisted;
  }

  get unlisted() {
    return this.#unlisted;
  }

  get users() {
    return [...this.#users].sort((a, b) => a.localeCompare(b));
  }

  reset(members, total) {
    this.#users = new Set(members);
    this.#unlisted = Math.max(0, total - this.#users.size);
  }

  /** Returns whether that changed anything. */
  add(user) {
    const before = this.#users.size;
    this.#users.add(user);
    return this.#users.size > before;
  }

  remove(user) {
    if (!this.#users.delete(user)) {
      this.#unlisted = Math.max(0, this.#unlisted - 1);
    }
  }
}

// A client without a server: the test decides what happens, and sees the calls.

class Emitter {
  #listeners = [];

  on(name, listener) {
    this.#listeners.push({ name, listener });
  }

  emit(name, value) {
    for (const one of this.#listeners.filter((other) => other.name === name)) {
      one.listener(value);
    }
  }
}

export class FakeClient extends Emitter {
  state = "idle";
  calls = [];
  #room = new FakeRoom(this.calls);

  room(name) {
    this.#room.name = name;
    return this.#room;
  }

  connect() {
    this.calls.push("connect");
  }

  close() {
    this.calls.push("close");
    this.become("idle");
  }

  wake() {
    this.calls.push("wake");
  }

  become(state, more = {}) {
    this.state = state;
    this.emit("state", { state, ...more });
  }
}

class FakeRoom extends Emitter {
  #calls;

  constructor(calls) {
    super();
    this.#calls = calls;
  }

  join() {
    this.#calls.push("join");
    return new Promise((resolve, reject) => {
      this.letIn = () => {
        this.emit("joined", {});
        resolve({});
      };
      this.refuse = (code) => reject(Object.assign(new Error(`because of ${code}`), { code }));
    });
  }
}

type Listener<T> = (value: T) => void;

/** Who listens to what. A listener that throws is reported and stops nobody else. */
export class Listeners<Events> {
  readonly #report: (error: unknown) => void;
  readonly #listeners: { [Name in keyof Events]?: Set<Listener<Events[Name]>> } = {};

  constructor(report: (error: unknown) => void) {
    this.#report = report;
  }

  add<Name extends keyof Events>(name: Name, listener: Listener<Events[Name]>): () => void {
    const listeners = (this.#listeners[name] ??= new Set());
    // Wrapped, so that the same function given twice is two listeners.
    const own: Listener<Events[Name]> = (value) => listener(value);
    listeners.add(own);
    return () => void listeners.delete(own);
  }

  /** Whether anybody heard it. */
  emit<Name extends keyof Events>(name: Name, value: Events[Name]): boolean {
    const listeners = [...(this.#listeners[name] ?? [])];
    for (const listener of listeners) {
      try {
        listener(value);
      } catch (error) {
        this.#report(error);
      }
    }
    return listeners.length > 0;
  }
}

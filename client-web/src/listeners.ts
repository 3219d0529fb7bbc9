type Listener<T> = (value: T) => void;

/** Who listens to what. */
export interface Listeners<Events> {
  /** Gives a function that takes the listener off again. */
  add<Name extends keyof Events>(name: Name, listener: Listener<Events[Name]>): () => void;
  /** Whether anybody heard it. */
  emit<Name extends keyof Events>(name: Name, value: Events[Name]): boolean;
}

/** A listener that throws is reported, and stops nobody else. */
export function createListeners<Events>(report: (error: unknown, name: keyof Events) => void): Listeners<Events> {
  const all = new Set<{ name: keyof Events; listener: Listener<never> }>();
  return {
    add(name, listener) {
      const entry = { name, listener };
      all.add(entry);
      return () => void all.delete(entry);
    },
    emit(name, value) {
      const heard = [...all].filter((entry) => entry.name === name);
      for (const { listener } of heard) {
        try {
          listener(value as never);
        } catch (error) {
          report(error, name);
        }
      }
      return heard.length > 0;
    },
  };
}

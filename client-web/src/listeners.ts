type Listener<T> = (value: T) => void;

/** The listeners of each event. */
export interface Listeners<Events> {
  /** Returns a function that removes the listener. */
  add<Name extends keyof Events>(name: Name, listener: Listener<Events[Name]>): () => void;
  /** Returns whether there was a listener. */
  emit<Name extends keyof Events>(name: Name, value: Events[Name]): boolean;
}

/** A listener that throws is reported, and does not keep the others from being called. */
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

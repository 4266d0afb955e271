/** Where a session is kept: `localStorage`, React Native's `AsyncStorage`, or your own. */
export interface Storage {
  getItem(name: string): string | null | Promise<string | null>;
  setItem(name: string, value: string): void | Promise<void>;
  removeItem(name: string): void | Promise<void>;
}

/** Keep items until the page or process ends. */
export function memoryStorage(): Storage {
  const items = new Map<string, string>();
  return {
    getItem: (name) => items.get(name) ?? null,
    setItem: (name, value) => void items.set(name, value),
    removeItem: (name) => void items.delete(name),
  };
}

/** `localStorage` in a browser that allows it, otherwise memory. */
export function defaultStorage(): Storage {
  return browserStorage() ?? memoryStorage();
}

export function isLocalStorage(storage: Storage): boolean {
  return storage === browserStorage();
}

function browserStorage(): Storage | undefined {
  try {
    // Node has a `localStorage`, too, which warns when it is touched.
    return typeof document === "undefined" ? undefined : globalThis.localStorage;
  } catch {
    // A page may be forbidden to use it.
    return undefined;
  }
}

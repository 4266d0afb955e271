import { useCallback, useEffect, useRef, useState } from "preact/hooks";

/** Try again when the device has a connection again, if the last attempt failed. */
function useRetryOnline(hasFailed: boolean, retry: () => void): void {
  useEffect(() => {
    if (!hasFailed) return;
    addEventListener("online", retry);
    return () => removeEventListener("online", retry);
  });
}

export interface Loaded<T> {
  data: T | undefined;
  error: unknown;
  reload: () => void;
  set: (data: T) => void;
}

/** Load what a page shows; `keys` name it. */
export function useLoad<T>(load: (signal: AbortSignal) => Promise<T>, keys: unknown[]): Loaded<T> {
  const [state, setState] = useState<{ data?: T | undefined; error?: unknown }>({});
  const [attempt, setAttempt] = useState(0);
  useEffect(() => {
    const leaving = new AbortController();
    setState(({ data }) => (attempt ? { data } : {}));
    load(leaving.signal).then(
      (data) => leaving.signal.aborted || setState({ data }),
      (error: unknown) => leaving.signal.aborted || setState({ error }),
    );
    return () => leaving.abort();
  }, [...keys, attempt]);
  useRetryOnline(state.error !== undefined, () => setAttempt((before) => before + 1));
  return {
    data: state.data,
    error: state.error,
    reload: () => setAttempt((before) => before + 1),
    set: (data) => setState({ data }),
  };
}

/** Whether two entries are the same thing; entries without an id are all different. */
function isSame(one: unknown, other: unknown): boolean {
  const [id, otherId] = [one, other].map((entry) => (entry as { id?: unknown }).id);
  return id !== undefined && id === otherId;
}

export interface Page<T> {
  items: T[];
  next_cursor: string | null;
}

interface ListState<T> {
  items: T[];
  cursor: string | null | undefined;
  error?: unknown;
  isLoading: boolean;
}

export interface List<T> {
  items: T[];
  error: unknown;
  isLoading: boolean;
  /** No further page exists. */
  isComplete: boolean;
  more: () => void;
  reload: () => void;
  change: (change: (items: T[]) => T[]) => void;
}

// A list that is left by a link is shown again as it was when the person comes back.
const remembered = new Map<string, ListState<unknown>>();

export function forgetLists(): void {
  remembered.clear();
}

/** A list that grows by pages. With a `name`, it survives until the list is reloaded. */
export function useList<T>(
  load: (cursor: string | undefined, signal: AbortSignal) => Promise<Page<T>>,
  keys: unknown[],
  name?: string,
): List<T> {
  const empty: ListState<T> = { items: [], cursor: undefined, isLoading: true };
  const [state, setState] = useState<ListState<T>>(
    () => (name ? (remembered.get(name) as ListState<T> | undefined) : undefined) ?? empty,
  );
  const present = useRef(state);
  present.current = state;
  const running = useRef<AbortController>(undefined);

  const update = useCallback((next: ListState<T>) => {
    present.current = next;
    if (name && !next.error && !next.isLoading) remembered.set(name, next as ListState<unknown>);
    setState(next);
  }, [name]);

  const fetchPage = useCallback((from: ListState<T>) => {
    running.current?.abort();
    const leaving = (running.current = new AbortController());
    update({ items: from.items, cursor: from.cursor, isLoading: true });
    load(from.cursor ?? undefined, leaving.signal).then(
      (page) => {
        if (leaving.signal.aborted) return;
        // What was put into the list in the meantime, such as an own comment, may also be on the page.
        const before = present.current.items.filter((one) => !page.items.some((other) => isSame(one, other)));
        update({ items: [...before, ...page.items], cursor: page.next_cursor, isLoading: false });
      },
      (error: unknown) => {
        if (!leaving.signal.aborted) update({ ...present.current, error, isLoading: false });
      },
    );
  }, keys);

  useEffect(() => {
    if (present.current.cursor === undefined || present.current.isLoading) fetchPage(empty);
    return () => running.current?.abort();
  }, []);
  const isFirst = useRef(true);
  useEffect(() => {
    if (!isFirst.current) fetchPage(empty);
    isFirst.current = false;
  }, keys);

  useRetryOnline(state.error !== undefined, () => fetchPage(present.current));

  return {
    items: state.items,
    error: state.error,
    isLoading: state.isLoading,
    isComplete: state.cursor === null,
    more: () => {
      if (!present.current.isLoading && present.current.cursor !== null) fetchPage(present.current);
    },
    reload: () => fetchPage(empty),
    change: (change) => update({ ...present.current, items: change(present.current.items) }),
  };
}

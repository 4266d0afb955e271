import { useEffect, useRef, useState } from "preact/hooks";
import { client } from "./api.ts";

const changed = new Set<() => void>();
const live = new Set<() => void>();

/** Count the unread notifications and conversations again. */
export function refreshUnread(): void {
  for (const listener of [...changed]) listener();
}

/** Call a function with each notification that arrives, also those of messages. */
export function useLive(run: () => void): void {
  const present = useRef(run);
  present.current = run;
  useEffect(() => {
    const listener = () => present.current();
    live.add(listener);
    return () => void live.delete(listener);
  }, []);
}

export interface Unread {
  notifications: number;
  conversations: number;
}

/** Numbers of unread notifications and conversations, which the API's stream keeps current. */
export function useUnread(): Unread {
  const [unread, setUnread] = useState<Unread>({ notifications: 0, conversations: 0 });
  useEffect(() => {
    const leaving = new AbortController();
    const { signal } = leaving;
    const ask = () =>
      void client.notifications.getUnreadTotals({ signal }).then(
        (totals) => signal.aborted || setUnread({ notifications: totals.unread_notification_count, conversations: totals.unread_conversation_count }),
        () => undefined,
      );
    const follow = async (): Promise<void> => {
      for await (const _ of client.notifications.live({ signal })) {
        ask();
        for (const listener of [...live]) listener();
      }
    };
    ask();
    changed.add(ask);
    follow().catch(() => undefined);
    return () => {
      changed.delete(ask);
      leaving.abort();
    };
  }, []);
  return unread;
}

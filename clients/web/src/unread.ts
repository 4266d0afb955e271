import { useEffect, useState } from "preact/hooks";
import { client } from "./api.ts";

const changed = new Set<() => void>();

/** Count the unread notifications and messages again. */
export function refreshUnread(): void {
  for (const listener of [...changed]) listener();
}

export interface Unread {
  notifications: number;
}

/** Number of unread notifications, which the API's stream keeps current. */
export function useUnread(): Unread {
  const [unread, setUnread] = useState<Unread>({ notifications: 0 });
  useEffect(() => {
    const leaving = new AbortController();
    const { signal } = leaving;
    const ask = () =>
      void client.notifications.countUnreadNotifications({ signal }).then(
        ({ unread_count }) => signal.aborted || setUnread({ notifications: unread_count }),
        () => undefined,
      );
    const follow = async (): Promise<void> => {
      for await (const _ of client.notifications.live({ signal })) ask();
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

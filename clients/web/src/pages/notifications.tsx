import type { Notification } from "@neighborconnect/client";
import type { JSX } from "preact";
import { client } from "../api.ts";
import { useList } from "../data.ts";
import { ago } from "../format.ts";
import { Link } from "../router.tsx";
import { useTitle } from "../title.ts";
import { Button, Empty, Icon, ListView, PersonAvatar } from "../ui.tsx";
import { refreshUnread } from "../unread.ts";

const PAGES: Record<string, (id: string) => string> = {
  post: (id) => `/posts/${id}`,
  connector: (id) => `/connectors/${id}`,
  event: (id) => `/events/${id}`,
  item: (id) => `/market/${id}`,
  conversation: (id) => `/chat/${id}`,
  purchase: () => "/market?part=purchases",
};

export function NotificationsPage(): JSX.Element {
  useTitle("Notifications");
  const list = useList<Notification>((cursor, signal) => client.notifications.list({ limit: 30, ...(cursor && { cursor }) }, { signal }), []);
  const isRead = (one: Notification): boolean => one.read_at !== null;
  const mark = async (ids: string[] | null): Promise<void> => {
    await client.notifications.markNotificationsRead(ids ? { notification_ids: ids } : {});
    const read_at = new Date().toISOString();
    list.change((items) => items.map((one) => (isRead(one) || (ids && !ids.includes(one.id)) ? one : { ...one, read_at })));
    refreshUnread();
  };
  return (
    <>
      <header class="page">
        <div><h1>Notifications</h1></div>
        {list.items.some((one) => !isRead(one)) && <Button small icon="check" onClick={() => mark(null)}>Mark all read</Button>}
      </header>
      <ListView
        list={list}
        label="Notifications"
        compact
        row={(one) => {
          const page = PAGES[one.subject_kind]?.(one.subject_id);
          const text = (
            <>
              {one.actor ? <PersonAvatar person={one.actor} /> : <span class="bubble"><Icon name="bell" /></span>}
              <span>
                <strong>{one.title}</strong>
                {one.body && <span class="clamped two">{one.body}</span>}
                <small>{ago(one.created_at)}{!isRead(one) && " · unread"}</small>
              </span>
            </>
          );
          return (
            <li key={one.id} class={isRead(one) ? "" : "unread"}>
              {page ? <Link to={page} class="row" onClick={() => void mark([one.id]).catch(() => undefined)}>{text}</Link> : <div class="row">{text}</div>}
            </li>
          );
        }}
        empty={<Empty icon="bell" title="No notifications"><p>Likes, comments and answers are listed here.</p></Empty>}
      />
    </>
  );
}

import type { HomeFeed } from "@neighborconnect/client";
import type { JSX } from "preact";
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { client } from "../api.ts";
import { ConnectorCard, EventCard, ItemCard, PostCard } from "../cards.tsx";
import { useList } from "../data.ts";
import { words } from "../format.ts";
import { Link } from "../router.tsx";
import { useTitle } from "../title.ts";
import { attempt, Button, Empty, Icon, ListView, Menu, type MenuEntry, toast } from "../ui.tsx";
import { WhyDialog } from "./why.tsx";

export type FeedItem = HomeFeed["items"][number];

export interface Entry {
  item: FeedItem;
  requestId: string;
  position: number;
  /** The page has its notes on its first entry. */
  notes: HomeFeed["notes"];
}

export function subject(item: FeedItem): { id: string; title: string; category?: string; connectorId?: string; connectorName?: string } {
  if (item.kind === "post") {
    const { id, title, content, connector_id, connector_name } = item.post;
    return { id, title: title ?? content, connectorId: connector_id, connectorName: connector_name };
  }
  if (item.kind === "connector") return { id: item.connector.id, title: item.connector.name, category: item.connector.category };
  if (item.kind === "event") {
    const { id, title, connector_id, connector_name } = item.event;
    return { id, title, connectorId: connector_id, connectorName: connector_name };
  }
  const { id, title, category, connector_id, connector_name } = item.item;
  return { id, title, category, connectorId: connector_id, connectorName: connector_name };
}

const KINDS = { post: "Post", connector: "Group", event: "Event", item: "Marketplace" } as const;

export function HomePage(): JSX.Element {
  useTitle(undefined);
  const [why, setWhy] = useState<Entry>();
  const interactions = useMemo(() => client.interactions.queue(), []);
  useEffect(() => () => void interactions.close(), []);
  const list = useList<Entry>(
    async (cursor, signal) => {
      const feed = await client.recommendations.recommendHome({ limit: 20, ...(cursor && { cursor }) }, { signal });
      const items = feed.items.map((item, position) => ({
        item,
        requestId: feed.request_id,
        position,
        notes: position === 0 && !cursor ? feed.notes : [],
      }));
      return { items, next_cursor: feed.next_cursor };
    },
    [],
    "home",
  );
  const notes = list.items[0]?.notes ?? [];
  return (
    <>
      <header class="page">
        <div>
          <h1>For you</h1>
          <p class="fine">Each card gives its reason</p>
        </div>
        <Link to="/tune" class="button"><Icon name="tune" />Tune</Link>
        <button type="button" class="round" aria-label="Load a new feed" onClick={list.reload}><Icon name="refresh" /></button>
      </header>
      {notes.length > 0 && (
        <ul class="notice" aria-label="What shapes this feed">
          {notes.map((note) => <li key={note.text}>{note.text}</li>)}
        </ul>
      )}
      <ListView
        list={list}
        label="Your feed"
        row={(entry) => (
          <FeedCard
            key={`${entry.requestId} ${subject(entry.item).id}`}
            entry={entry}
            onWhy={() => setWhy(entry)}
            onSeen={(kind) =>
              interactions.add({
                kind,
                item_kind: entry.item.kind,
                item_id: subject(entry.item).id,
                request_id: entry.requestId,
                position: entry.position,
                surface: "feed",
              })
            }
          />
        )}
        empty={
          <Empty icon="home" title="Nothing new for now">
            <p>Join a group, or follow somebody, and this page fills.</p>
          </Empty>
        }
      />
      {why && <WhyDialog entry={why} onClose={() => setWhy(undefined)} />}
    </>
  );
}

function FeedCard({ entry, onWhy, onSeen }: { entry: Entry; onWhy: () => void; onSeen: (kind: "impression" | "click") => void }): JSX.Element {
  const { item } = entry;
  const { id, title, category, connectorId, connectorName } = subject(item);
  const root = useRef<HTMLLIElement>(null);
  const [left, setLeft] = useState<{ text: string; undo: () => Promise<unknown> }>();

  useEffect(() => {
    if (!root.current) return;
    let timer: ReturnType<typeof setTimeout> | undefined;
    // Half a card for a second counts as shown.
    const observer = new IntersectionObserver(
      ([one]) => {
        clearTimeout(timer);
        if (!one?.isIntersecting) return;
        timer = setTimeout(() => {
          observer.disconnect();
          onSeen("impression");
        }, 1_000);
      },
      { threshold: 0.5 },
    );
    observer.observe(root.current);
    return () => {
      clearTimeout(timer);
      observer.disconnect();
    };
  }, []);
  useEffect(() => {
    if (left) root.current?.querySelector<HTMLElement>("button")?.focus();
  }, [left]);

  const hide = async (): Promise<void> => {
    await attempt(async () => {
      await client.interactions.record({
        interactions: [
          {
            kind: "hide",
            item_kind: item.kind,
            item_id: id,
            request_id: entry.requestId,
            position: entry.position,
            surface: "feed",
            occurred_at: new Date().toISOString(),
          },
        ],
      });
      setLeft({ text: "Hidden. It does not come back.", undo: () => client.interactions.unhideItem(item.kind, id) });
    });
  };
  const less = async (): Promise<void> => {
    await attempt(async () => {
      const given = await client.recommendations.giveFeedback({ kind: item.kind, id, signal: "less_like_this" });
      setLeft({ text: "You will see less like this.", undo: () => client.recommendations.undoFeedback(given.feedback_id) });
    });
  };
  const more = async (): Promise<void> => {
    await attempt(async () => {
      await client.recommendations.giveFeedback({ kind: item.kind, id, signal: "more_like_this" });
      toast("You will see more like this from the next feed on.");
    });
  };
  const mute = async (): Promise<void> => {
    await attempt(async () => {
      const body = connectorId
        ? ({ kind: "connector", id: connectorId, signal: "mute" } as const)
        : ({ kind: "category", category: category ?? "", signal: "mute" } as const);
      const given = await client.recommendations.giveFeedback(body);
      setLeft({
        text: `${connectorName ?? words(category ?? "")} is muted in your feed.`,
        undo: () => client.recommendations.undoFeedback(given.feedback_id),
      });
    });
  };
  const entries: MenuEntry[] = [
    { label: "Why this?", hint: "What this suggestion is based on", icon: "why", run: onWhy },
    { label: "More like this", icon: "plus", run: more },
    { label: "Less like this", hint: "Also hides it", icon: "minus", run: less },
    { label: "Hide", hint: "Only this one", icon: "hide", run: hide },
    { label: `Mute ${connectorName ?? words(category ?? "")}`, hint: "Nothing from there in your feed", icon: "mute", run: mute },
  ];

  if (left) {
    return (
      <li class="card left" ref={root}>
        <p role="status">{left.text}</p>
        <Button small onClick={async () => { await left.undo(); setLeft(undefined); }}>Undo</Button>
      </li>
    );
  }
  const onOpen = (): void => onSeen("click");
  return (
    <li class={`card feed ${item.kind}`} ref={root}>
      <div class="reason">
        <span class="kind">{KINDS[item.kind]}</span>
        <button type="button" class="link" onClick={onWhy} aria-label={`Why this? ${item.reason}`}>
          <Icon name="spark" />
          <span>{item.reason}</span>
        </button>
        <Menu label={`Feedback on ${title.slice(0, 60)}`} entries={entries} />
      </div>
      {item.kind === "post" && <PostCard post={item.post} onOpen={onOpen} />}
      {item.kind === "connector" && <ConnectorCard connector={item.connector} onOpen={onOpen} />}
      {item.kind === "event" && <EventCard event={item.event} onOpen={onOpen} />}
      {item.kind === "item" && <ItemCard item={item.item} onOpen={onOpen} />}
    </li>
  );
}

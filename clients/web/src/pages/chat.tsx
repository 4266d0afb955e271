import type { ChatSocket, ChatState, Conversation, Message, UserProfile } from "@neighborconnect/client";
import type { JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { client, problemText } from "../api.ts";
import { useList, useLoad } from "../data.ts";
import { Form, keepDraft, randomKey } from "../form.tsx";
import { ago, moment } from "../format.ts";
import { Link, navigate, type PageProps } from "../router.tsx";
import { useUser } from "../session.tsx";
import { useTitle } from "../title.ts";
import { Avatar, BackLink, Button, Confirm, Empty, ErrorBox, Field, Icon, ListView, Menu, type MenuEntry, Pictures, Skeleton } from "../ui.tsx";
import { refreshUnread, useLive } from "../unread.ts";
import { PicturesField, useUploads } from "../uploads.tsx";
import { ReportDialog } from "./report.tsx";

const TYPING = 4_000;

function nameOf(conversation: Conversation, userId: string): string {
  const others = conversation.members.filter(({ user_id }) => user_id !== userId);
  return conversation.title ?? (others.map(({ user, username }) => user?.display_name ?? username).join(", ") || "Only you");
}

export function ConversationsPage(): JSX.Element {
  useTitle("Conversations");
  const user = useUser();
  const list = useList<Conversation>((cursor, signal) => client.chat.listConversations({ limit: 20, ...(cursor && { cursor }) }, { signal }), []);
  useLive(() => {
    void client.chat.listConversations({ limit: 20 }).then(
      ({ items }) => list.change((before) => [...items, ...before.filter(({ id }) => !items.some((one) => one.id === id))]),
      () => undefined,
    );
  });
  return (
    <>
      <header class="page"><div><h1>Conversations</h1></div><Link to="/chat/new" class="button"><Icon name="plus" />New</Link></header>
      <ListView
        list={list}
        label="Conversations"
        compact
        row={(one) => {
          const name = nameOf(one, user.id);
          const other = one.members.find(({ user_id }) => user_id !== user.id);
          return (
            <li key={one.id} class={one.unread_count ? "unread" : ""}>
              <Link to={`/chat/${one.id}`} class="row">
                <Avatar name={name} url={one.kind === "direct" ? (other?.avatar_url ?? null) : null} />
                <span>
                  <strong>{name}</strong>
                  <small>{ago(one.last_message_at)}{other?.online && one.kind === "direct" && " · online"}{one.kind === "group" && ` · ${one.members.length} people`}</small>
                </span>
                {one.unread_count > 0 && <b class="badge">{one.unread_count} new</b>}
              </Link>
            </li>
          );
        }}
        empty={<Empty icon="chat" title="No conversations"><p>Write to a neighbor, or to several at once.</p><Link to="/chat/new" class="button primary">New conversation</Link></Empty>}
      />
    </>
  );
}

export function NewConversationPage(): JSX.Element {
  useTitle("New conversation");
  const user = useUser();
  const [query, setQuery] = useState("");
  const [chosen, setChosen] = useState<UserProfile[]>([]);
  const list = useList<UserProfile>(
    async (cursor, signal) => (query ? client.users.search({ q: query, limit: 10, ...(cursor && { cursor }) }, { signal }) : { items: [], next_cursor: null }),
    [query],
  );
  const isChosen = ({ id }: UserProfile): boolean => chosen.some((one) => one.id === id);
  const start = async (title: string | undefined, idempotencyKey: string): Promise<void> => {
    const [first] = chosen;
    if (!first) return;
    const conversation = await client.chat.createConversation(
      chosen.length === 1 ? { kind: "direct", user_id: first.id } : { kind: "group", title: title ?? "", member_ids: chosen.map(({ id }) => id) },
      { idempotencyKey },
    );
    navigate(`/chat/${conversation.id}`);
  };
  const nameOfPerson = (one: UserProfile): string => `${one.first_name} ${one.last_name}`;
  return (
    <>
      <BackLink to="/chat">Conversations</BackLink>
      <h1>New conversation</h1>
      {chosen.length > 0 && (
        <Form action="Start" icon="chat" submit={({ title }, key) => start(title, key)}>
          {(field) => (
            <>
              {/* A conversation with others is another one for its idempotency key. */}
              <input type="hidden" name="people" value={chosen.map(({ id }) => id).join(" ")} />
              <div class="chips" role="group" aria-label="Chosen">
                {chosen.map((one) => (
                  <Button key={one.id} small icon="close" label={`Remove ${nameOfPerson(one)}`} onClick={() => setChosen(chosen.filter(({ id }) => id !== one.id))}>{nameOfPerson(one)}</Button>
                ))}
              </div>
              {chosen.length > 1 && <Field label="Name of the conversation" required {...field("title")} />}
            </>
          )}
        </Form>
      )}
      <form
        role="search"
        class="search"
        onSubmit={(event) => {
          event.preventDefault();
          setQuery(String(new FormData(event.currentTarget).get("q") ?? "").trim());
        }}
      >
        <input type="search" name="q" aria-label="Find a neighbor" placeholder="Name of a neighbor" enterKeyHint="search" />
        <button type="submit" class="button primary" aria-label="Search"><Icon name="search" /></button>
      </form>
      <ListView
        list={{ ...list, items: list.items.filter(({ id }) => id !== user.id) }}
        label="Neighbors"
        compact
        row={(one) => (
          <li key={one.id}>
            <button type="button" class="row" aria-pressed={isChosen(one)} onClick={() => setChosen(isChosen(one) ? chosen.filter(({ id }) => id !== one.id) : [...chosen, one])}>
              <Avatar name={nameOfPerson(one)} url={one.avatar_url} />
              <span><strong>{nameOfPerson(one)}</strong><small>@{one.username}{one.neighborhood && ` · ${one.neighborhood}`}</small></span>
              {isChosen(one) && <Icon name="check" />}
            </button>
          </li>
        )}
        empty={query ? <Empty icon="search" title={`Nobody for “${query}”`} /> : <Empty icon="people" title="Whom do you want to write to?"><p>Find one neighbor, or several for a group.</p></Empty>}
      />
    </>
  );
}

export function ConversationPage({ id }: PageProps): JSX.Element {
  const user = useUser();
  const { data: conversation, error, reload } = useLoad((signal) => client.chat.getConversation(id, { signal }), [id]);
  useTitle(conversation ? nameOf(conversation, user.id) : "Conversation");
  if (error) return <><BackLink to="/chat">Conversations</BackLink><ErrorBox error={error} retry={reload} /></>;
  if (!conversation) return <Skeleton rows={2} />;
  return <Thread conversation={conversation} />;
}

function ConversationMenu({ conversation }: { conversation: Conversation }): JSX.Element | null {
  const user = useUser();
  const [isLeaving, setLeaving] = useState(false);
  const other = conversation.members.find(({ user_id }) => user_id !== user.id);
  const entries: MenuEntry[] =
    conversation.kind === "group"
      ? [{ label: "Leave the conversation", icon: "out", run: () => setLeaving(true) }]
      : other?.user
        ? [{ label: `Profile of ${other.user.display_name}`, icon: "person", run: () => navigate(`/people/${other.user_id}`) }]
        : [];
  if (!entries.length) return null;
  return (
    <>
      <Menu label="Actions on this conversation" entries={entries} />
      {isLeaving && (
        <Confirm
          title="Leave this conversation?"
          action="Leave"
          onClose={() => setLeaving(false)}
          run={async () => {
            await client.chat.removeConversationMember(conversation.id, user.id);
            navigate("/chat", { replace: true });
          }}
        >
          <p>You no longer receive its messages.</p>
        </Confirm>
      )}
    </>
  );
}

interface Outgoing {
  key: string;
  content: string;
  mediaIds: string[];
  /** Why it was not sent. */
  problem?: string;
}

function Thread({ conversation }: { conversation: Conversation }): JSX.Element {
  const { id } = conversation;
  const user = useUser();
  const [outgoing, setOutgoing] = useState<Outgoing[]>([]);
  const [state, setState] = useState<ChatState>("connecting");
  const [typing, setTyping] = useState<string>();
  const [readUpTo, setReadUpTo] = useState(() => Math.max(0, ...conversation.members.filter(({ user_id }) => user_id !== user.id).map(({ read_up_to }) => read_up_to)));
  const [isAttaching, setAttaching] = useState(false);
  const pictures = useUploads();
  const socket = useRef<ChatSocket>(undefined);
  const end = useRef<HTMLDivElement>(null);
  const list = useList<Message>((cursor, signal) => client.chat.listMessages(id, { limit: 30, ...(cursor && { cursor }) }, { signal }), [id]);
  const change = useRef(list.change);
  change.current = list.change;

  const put = (message: Message, isNew: boolean): void =>
    change.current((items) => {
      if (items.some((one) => one.id === message.id)) return items.map((one) => (one.id === message.id ? message : one));
      return isNew ? [message, ...items] : items;
    });
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const opened = (socket.current = client.chat.connect(id, {
      lastEventId: conversation.last_event_id,
      onEvent: ({ kind, message }) => {
        if (message) put(message, kind === "message.created");
        setTyping(undefined);
      },
      onTyping: (who) => {
        setTyping(conversation.members.find(({ user_id }) => user_id === who)?.user?.display_name);
        clearTimeout(timer);
        timer = setTimeout(() => setTyping(undefined), TYPING);
      },
      onRead: ({ userId, eventId }) => userId !== user.id && setReadUpTo((before) => Math.max(before, eventId)),
      onStateChange: setState,
    }));
    return () => {
      clearTimeout(timer);
      opened.close();
    };
  }, [id]);
  const newest = list.items[0];
  useEffect(() => {
    end.current?.scrollIntoView({ block: "end" });
  }, [newest?.id, outgoing.length]);
  useEffect(() => {
    if (!newest) return;
    void client.chat.markConversationRead(id, { event_id: newest.event_id }).then(refreshUnread, () => undefined);
  }, [newest?.id]);

  const hasLeft = useRef(false);
  useEffect(() => () => void (hasLeft.current = true), []);
  const forget = (key: string): void => setOutgoing((before) => before.filter((one) => one.key !== key));
  // Without a connection the socket keeps it, and sends it when it is connected again.
  const transmit = ({ key, content, mediaIds }: Outgoing): void =>
    void socket.current?.send(content, mediaIds.length ? { mediaIds } : {}).then(
      () => forget(key),
      async (failure: unknown) => {
        const problem = problemText(failure).detail;
        setOutgoing((before) => before.map((one) => (one.key === key ? { ...one, problem } : one)));
        // Whoever leaves before it is sent finds the text in the form again, unless the session has ended.
        if (hasLeft.current && (await client.auth.session())?.userId === user.id) keepDraft(`message ${id}`, "content", content);
      },
    );
  const send = async (content: string): Promise<void> => {
    if (!content.trim()) {
      if (pictures.items.length) throw new Error("Write something about the picture.");
      return;
    }
    const message = { key: randomKey(), content, mediaIds: await pictures.ids() };
    setOutgoing((before) => [...before, message]);
    pictures.clear();
    setAttaching(false);
    transmit(message);
  };
  const lastOwn = list.items.find(({ author_id, deleted_at }) => author_id === user.id && !deleted_at);
  return (
    <>
      <div class="split"><BackLink to="/chat">Conversations</BackLink><ConversationMenu conversation={conversation} /></div>
      <h1>{nameOf(conversation, user.id)}</h1>
      {state === "closed" && <p class="notice" role="status">This conversation is not live any more. Load the page again.</p>}
      {state === "reconnecting" && <p class="notice waiting" role="status">Connecting again. What you write is kept, and sent when you are connected.</p>}
      {!list.isComplete && !list.isLoading && <Button small onClick={list.more}>Earlier messages</Button>}
      {list.isLoading && !list.items.length && <Skeleton rows={1} />}
      {Boolean(list.error) && <ErrorBox error={list.error} retry={list.reload} />}
      <ol class="messages" aria-label="Messages" aria-live="polite">
        {[...list.items].reverse().map((message) => (
          <MessageRow
            key={message.id}
            conversation={conversation}
            message={message}
            note={message === lastOwn && readUpTo >= message.event_id ? " · read" : ""}
            onChange={(changed) => put(changed, false)}
          />
        ))}
        {outgoing.map(({ problem, ...message }) => (
          <li key={message.key} class={problem === undefined ? "own outgoing" : "own outgoing failed"}>
            <p class="content">{message.content}</p>
            {problem === undefined ? (
              <small>Sending…</small>
            ) : (
              <>
                <small class="wrong" role="alert">Not sent. {problem}</small>
                <span class="buttons">
                  <Button small onClick={() => { setOutgoing((before) => before.map((one) => (one.key === message.key ? message : one))); transmit(message); }}>Again</Button>
                  <Button small onClick={() => forget(message.key)}>Remove</Button>
                </span>
              </>
            )}
          </li>
        ))}
      </ol>
      {list.isComplete && !list.items.length && !outgoing.length && <Empty icon="chat" title="No messages yet" />}
      <p class="fine typing" role="status">{typing && `${typing} is typing…`}</p>
      <Form class="message-form" action="Send" icon="send" label="Write a message" repeats draft={`message ${id}`} submit={({ content = "" }) => send(content)}>
        {(field) => (
          <>
            {isAttaching && <PicturesField uploads={pictures} />}
            <div class="search">
              <button type="button" class="round" aria-label="Add pictures" aria-expanded={isAttaching} onClick={() => setAttaching(!isAttaching)}><Icon name="picture" /></button>
              <input
                type="text"
                name="content"
                defaultValue={field("content").value}
                aria-label="Message"
                placeholder="Message"
                autocomplete="off"
                onInput={() => socket.current?.typing()}
              />
            </div>
          </>
        )}
      </Form>
      <div ref={end} />
    </>
  );
}

function MessageRow({ conversation, message, note, onChange }: {
  conversation: Conversation;
  message: Message;
  note: string;
  onChange: (message: Message) => void;
}): JSX.Element {
  const user = useUser();
  const [open, setOpen] = useState<"edit" | "delete" | "report">();
  const isOwn = message.author_id === user.id;
  const close = (): void => setOpen(undefined);
  const entries: MenuEntry[] = isOwn
    ? [
        { label: "Edit", icon: "edit", run: () => setOpen("edit") },
        { label: "Delete", icon: "trash", run: () => setOpen("delete") },
      ]
    : [{ label: "Report", icon: "flag", run: () => setOpen("report") }];
  return (
    <li class={isOwn ? "own" : ""}>
      {conversation.kind === "group" && !isOwn && <small>{message.author.display_name}</small>}
      {open === "edit" ? (
        <Form
          class="composer"
          action="Save"
          icon="check"
          label="Edit your message"
          initial={{ content: message.content ?? "" }}
          onCancel={close}
          submit={async ({ content = "" }, idempotencyKey) => {
            onChange(await client.chat.editMessage(conversation.id, message.id, { content, media_ids: message.media_ids ?? [] }, { idempotencyKey }));
            close();
          }}
        >
          {(field) => <Field label="Your message" rows={2} required {...field("content")} />}
        </Form>
      ) : (
        <p class="content">{message.deleted_at ? <i>Deleted</i> : message.content}</p>
      )}
      {!message.deleted_at && <Pictures media={message.media} />}
      <div class="meta">
        <small><time dateTime={message.created_at} title={moment(message.created_at)}>{ago(message.created_at)}</time>{message.edited_at && !message.deleted_at && " · edited"}{note}</small>
        {!message.deleted_at && open !== "edit" && <Menu label={`Actions on the message “${(message.content ?? "").slice(0, 30)}”`} entries={entries} />}
      </div>
      {open === "delete" && (
        <Confirm
          title="Delete this message?"
          action="Delete"
          onClose={close}
          run={async () => {
            await client.chat.deleteMessage(conversation.id, message.id);
            onChange({ ...message, content: null, media: [], deleted_at: new Date().toISOString() });
          }}
        >
          <p class="content clamped two quoted">{message.content}</p>
        </Confirm>
      )}
      {open === "report" && <ReportDialog kind="message" id={message.id} onClose={close} />}
    </li>
  );
}

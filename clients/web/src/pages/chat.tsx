import type { Conversation, Message } from "@neighborconnect/client";
import type { JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { client, problemText, type ProblemText } from "../api.ts";
import { useList, useLoad } from "../data.ts";
import { ago, moment } from "../format.ts";
import { Link, type PageProps } from "../router.tsx";
import { useUser } from "../session.tsx";
import { useTitle } from "../title.ts";
import { Avatar, BackLink, Button, Empty, ErrorBox, ListView, Skeleton } from "../ui.tsx";

function nameOf(conversation: Conversation, userId: string): string {
  const others = conversation.members.filter(({ user_id }) => user_id !== userId);
  return conversation.title ?? (others.map(({ user, username }) => user?.display_name ?? username).join(", ") || "Only you");
}

export function ConversationsPage(): JSX.Element {
  useTitle("Conversations");
  const user = useUser();
  const list = useList<Conversation>((cursor, signal) => client.chat.listConversations({ limit: 20, ...(cursor && { cursor }) }, { signal }), []);
  return (
    <>
      <header class="page"><div><h1>Conversations</h1></div></header>
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
        empty={<Empty icon="chat" title="No conversations"><p>Write to somebody from an offer in the <Link to="/market">marketplace</Link>.</p></Empty>}
      />
    </>
  );
}

export function ConversationPage({ id }: PageProps): JSX.Element {
  const user = useUser();
  const { data: conversation, error, reload } = useLoad((signal) => client.chat.getConversation(id, { signal }), [id]);
  const [problem, setProblem] = useState<ProblemText>();
  const [sent, setSent] = useState(0);
  const end = useRef<HTMLDivElement>(null);
  const list = useList<Message>((cursor, signal) => client.chat.listMessages(id, { limit: 30, ...(cursor && { cursor }) }, { signal }), [id]);
  const change = useRef(list.change);
  change.current = list.change;
  useTitle(conversation ? nameOf(conversation, user.id) : "Conversation");

  const put = (message: Message): void =>
    change.current((items) =>
      items.some((one) => one.id === message.id) ? items.map((one) => (one.id === message.id ? message : one)) : [message, ...items],
    );
  useEffect(() => {
    const socket = client.chat.connect(id, { onEvent: ({ message }) => message && put(message) });
    return () => socket.close();
  }, [id]);
  const newest = list.items[0];
  useEffect(() => {
    if (!newest) return;
    end.current?.scrollIntoView({ block: "end" });
    void client.chat.markConversationRead(id, { event_id: newest.event_id }).catch(() => undefined);
  }, [newest?.id]);

  const send = async (event: SubmitEvent): Promise<void> => {
    event.preventDefault();
    const form = new FormData(event.currentTarget as HTMLFormElement);
    try {
      put(await client.chat.sendMessage(id, { content: String(form.get("content") ?? "") }));
      setProblem(undefined);
      setSent((before) => before + 1);
    } catch (failure) {
      setProblem(problemText(failure));
    }
  };
  if (error) return <><BackLink to="/chat">Conversations</BackLink><ErrorBox error={error} retry={reload} /></>;
  if (!conversation) return <Skeleton rows={2} />;
  return (
    <>
      <BackLink to="/chat">Conversations</BackLink>
      <h1>{nameOf(conversation, user.id)}</h1>
      {!list.isComplete && !list.isLoading && <Button small onClick={list.more}>Earlier messages</Button>}
      {list.isLoading && !list.items.length && <Skeleton rows={1} />}
      {Boolean(list.error) && <ErrorBox error={list.error} retry={list.reload} />}
      <ol class="messages" aria-label="Messages" aria-live="polite">
        {[...list.items].reverse().map((message) => (
          <li key={message.id} class={message.author_id === user.id ? "own" : ""}>
            {conversation.kind === "group" && message.author_id !== user.id && <small>{message.author.display_name}</small>}
            <p class="content">{message.deleted_at ? <i>Deleted</i> : message.content}</p>
            <small><time dateTime={message.created_at} title={moment(message.created_at)}>{ago(message.created_at)}</time>{message.edited_at && " · edited"}</small>
          </li>
        ))}
      </ol>
      {list.isComplete && !list.items.length && <Empty icon="chat" title="No messages yet" />}
      {problem && <div class="notice error" role="alert"><strong>{problem.title}</strong><p>{problem.detail}</p></div>}
      <form class="search" key={sent} onSubmit={(event) => void send(event)}>
        <input type="text" name="content" aria-label="Message" placeholder="Message" autocomplete="off" required ref={(input) => { if (sent) input?.focus(); }} />
        <Button type="submit" kind="primary" icon="send" label="Send">{""}</Button>
      </form>
      <div ref={end} />
    </>
  );
}

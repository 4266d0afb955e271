import type { Event, Post } from "@neighborconnect/client";
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { client, problemText, type ProblemText } from "../api.ts";
import { ConnectorMark, EventCard, JoinButton, PostCard } from "../cards.tsx";
import { useList, useLoad } from "../data.ts";
import { count, words } from "../format.ts";
import type { PageProps } from "../router.tsx";
import { useTitle } from "../title.ts";
import { BackLink, Button, Empty, ErrorBox, Field, ListView, Segments, Skeleton } from "../ui.tsx";

export function ConnectorPage({ id }: PageProps): JSX.Element {
  const { data: connector, error, reload } = useLoad((signal) => client.connectors.get(id, { signal }), [id]);
  const [part, setPart] = useState<"posts" | "events">("posts");
  useTitle(connector?.name ?? "Group");
  if (error) return <><BackLink /><ErrorBox error={error} retry={reload} /></>;
  if (!connector) return <Skeleton rows={3} />;
  return (
    <>
      <BackLink />
      <header class="card">
        <div class="byline">
          <ConnectorMark connector={connector} large />
          <div>
            <h1>{connector.name}</h1>
            <small>{words(connector.category)} · {count(connector.member_count, "member")}{!connector.is_public && " · private"}</small>
          </div>
        </div>
        {connector.description && <p class="content">{connector.description}</p>}
        <JoinButton key={String(connector.role)} connector={connector} onChange={reload} />
        {connector.rules && <details><summary>Rules</summary><p class="content">{connector.rules}</p></details>}
      </header>
      <Segments label="Part of the group" value={part} options={[["posts", "Posts"], ["events", "Events"]]} onChange={setPart} />
      {part === "posts" ? <Posts id={id} isMember={connector.role !== null} /> : <Events id={id} />}
    </>
  );
}

function Posts({ id, isMember }: { id: string; isMember: boolean }): JSX.Element {
  const [problem, setProblem] = useState<ProblemText>();
  const [sent, setSent] = useState(0);
  const list = useList<Post>(
    (cursor, signal) => client.posts.listConnectorPosts(id, { limit: 20, ...(cursor && { cursor }) }, { signal }),
    [id],
    `posts of ${id}`,
  );
  const send = async (event: SubmitEvent): Promise<void> => {
    event.preventDefault();
    const form = new FormData(event.currentTarget as HTMLFormElement);
    try {
      const post = await client.posts.create({ connector_id: id, content: String(form.get("content") ?? "") });
      setProblem(undefined);
      setSent((before) => before + 1);
      list.change((items) => [post, ...items]);
    } catch (error) {
      setProblem(problemText(error));
    }
  };
  return (
    <>
      {isMember && (
        <form class="card composer" key={sent} onSubmit={(event) => void send(event)}>
          {problem && <div class="notice error" role="alert"><strong>{problem.title}</strong><p>{problem.detail}</p></div>}
          <Field label="Write to the group" name="content" multiline required />
          <Button type="submit" kind="primary" icon="send">Post</Button>
        </form>
      )}
      <ListView
        list={list}
        label="Posts"
        row={(post) => <li class="card" key={post.id}><PostCard post={post} /></li>}
        empty={<Empty icon="comment" title="No posts yet"><p>{isMember ? "Write the first one." : "Join to write the first one."}</p></Empty>}
      />
    </>
  );
}

function Events({ id }: { id: string }): JSX.Element {
  const list = useList<Event>(
    (cursor, signal) => client.events.listConnectorEvents(id, { limit: 20, since: new Date().toISOString(), ...(cursor && { cursor }) }, { signal }),
    [id],
  );
  return (
    <ListView
      list={list}
      label="Events"
      row={(event) => <li class="card" key={event.id}><EventCard event={event} /></li>}
      empty={<Empty icon="calendar" title="No upcoming events" />}
    />
  );
}

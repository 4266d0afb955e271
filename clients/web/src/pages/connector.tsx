import type { ConnectorDetail, Event, Item, JoinRequest, Member, Post } from "@neighborconnect/client";
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { client } from "../api.ts";
import { ConnectorMark, EventCard, ItemCard, JoinButton, PostCard } from "../cards.tsx";
import { forgetLists, useList, useLoad } from "../data.ts";
import { Form } from "../form.tsx";
import { ago, count, words } from "../format.ts";
import { Link, navigate, type PageProps } from "../router.tsx";
import { useTitle } from "../title.ts";
import { BackLink, Button, Confirm, Empty, ErrorBox, Field, Icon, ListView, Menu, type MenuEntry, PersonAvatar, Pictures, Segments, Skeleton, toast } from "../ui.tsx";
import { PicturesField, useUploads } from "../uploads.tsx";
import { ReportDialog } from "./report.tsx";

type Part = "posts" | "events" | "offers" | "members";

export function ConnectorPage({ id }: PageProps): JSX.Element {
  const { data: connector, error, reload } = useLoad((signal) => client.connectors.get(id, { signal }), [id]);
  const [part, setPart] = useState<Part>("posts");
  useTitle(connector?.name ?? "Group");
  if (error) return <><BackLink /><ErrorBox error={error} retry={reload} /></>;
  if (!connector) return <Skeleton rows={3} />;
  return (
    <>
      <div class="split"><BackLink to="/groups">Groups</BackLink><GroupMenu connector={connector} /></div>
      <header class="card">
        <Pictures media={connector.media ? [connector.media] : []} />
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
      <Segments label="Part of the group" value={part} options={[["posts", "Posts"], ["events", "Events"], ["offers", "Offers"], ["members", "Members"]]} onChange={setPart} />
      {part === "posts" && <Posts id={id} mayWrite={mayWrite(connector)} />}
      {part === "events" && <Events id={id} isMember={connector.role !== null} />}
      {part === "offers" && <Offers id={id} isMember={connector.role !== null} />}
      {part === "members" && <Members connector={connector} />}
    </>
  );
}

function mayWrite({ role, settings }: ConnectorDetail): boolean {
  return role !== null && (settings.posting !== "moderators" || role !== "member");
}

function GroupMenu({ connector }: { connector: ConnectorDetail }): JSX.Element {
  const [open, setOpen] = useState<"close" | "report">();
  const entries: MenuEntry[] =
    connector.role === "admin"
      ? [
          { label: "Edit", icon: "edit", run: () => navigate(`/connectors/${connector.id}/edit`) },
          { label: "Close the group", icon: "trash", run: () => setOpen("close") },
        ]
      : [{ label: "Report", icon: "flag", run: () => setOpen("report") }];
  return (
    <>
      <Menu label="Actions on this group" entries={entries} />
      {open === "close" && (
        <Confirm
          title="Close this group?"
          action="Close it"
          onClose={() => setOpen(undefined)}
          run={async () => {
            await client.connectors.close(connector.id);
            forgetLists();
            toast("The group is closed.");
            navigate("/groups", { replace: true });
          }}
        >
          <p>{connector.name} disappears for all {count(connector.member_count, "member")}, with its posts, events and offers.</p>
        </Confirm>
      )}
      {open === "report" && <ReportDialog kind="connector" id={connector.id} onClose={() => setOpen(undefined)} />}
    </>
  );
}

function Posts({ id, mayWrite }: { id: string; mayWrite: boolean }): JSX.Element {
  const list = useList<Post>(
    (cursor, signal) => client.posts.listConnectorPosts(id, { limit: 20, ...(cursor && { cursor }) }, { signal }),
    [id],
    `posts of ${id}`,
  );
  const pictures = useUploads();
  return (
    <>
      {mayWrite && (
        <Form
          class="card composer"
          action="Post"
          icon="send"
          repeats
          draft={`post in ${id}`}
          submit={async ({ content = "" }, idempotencyKey) => {
            const post = await client.posts.create({ connector_id: id, content, media_ids: await pictures.ids() }, { idempotencyKey });
            pictures.clear();
            list.change((items) => [post, ...items]);
          }}
        >
          {(field) => (
            <>
              <Field label="Write to the group" rows={3} required {...field("content")} />
              <PicturesField uploads={pictures} errors={field("media_ids").errors} />
            </>
          )}
        </Form>
      )}
      <ListView
        list={list}
        label="Posts"
        row={(post) => <li class="card" key={post.id}><PostCard post={post} /></li>}
        empty={<Empty icon="comment" title="No posts yet"><p>{mayWrite ? "Write the first one." : "Members write here."}</p></Empty>}
      />
    </>
  );
}

function Events({ id, isMember }: { id: string; isMember: boolean }): JSX.Element {
  const list = useList<Event>(
    (cursor, signal) => client.events.listConnectorEvents(id, { limit: 20, since: new Date().toISOString(), ...(cursor && { cursor }) }, { signal }),
    [id],
  );
  return (
    <>
      {isMember && <Link to={`/new/event?group=${id}`} class="button"><Icon name="plus" />Plan an event</Link>}
      <ListView
        list={list}
        label="Events"
        row={(event) => <li class="card" key={event.id}><EventCard event={event} /></li>}
        empty={<Empty icon="calendar" title="No upcoming events" />}
      />
    </>
  );
}

function Offers({ id, isMember }: { id: string; isMember: boolean }): JSX.Element {
  const list = useList<Item>(
    (cursor, signal) => client.marketplace.listItems({ limit: 20, connector_id: id, ...(cursor && { cursor }) }, { signal }),
    [id],
  );
  return (
    <>
      {isMember && <Link to={`/new/offer?group=${id}`} class="button"><Icon name="plus" />Offer something</Link>}
      <ListView
        list={list}
        label="Offers"
        row={(item) => <li class="card" key={item.id}><ItemCard item={item} /></li>}
        empty={<Empty icon="tag" title="No offers" />}
      />
    </>
  );
}

function Members({ connector: { id, role } }: { connector: ConnectorDetail }): JSX.Element {
  const list = useList<Member>((cursor, signal) => client.connectors.listMembers(id, { limit: 30, ...(cursor && { cursor }) }, { signal }), [id]);
  return (
    <>
      {(role === "admin" || role === "moderator") && <Requests id={id} onAdmit={list.reload} />}
      <ListView
        list={list}
        label="Members"
        compact
        row={(one) => (
          <li key={one.user_id}>
            <Link to={`/people/${one.user_id}`} class="row">
              <PersonAvatar person={one.user} />
              <span><strong>{one.user.display_name}</strong><small>{one.role === "member" ? "" : `${words(one.role)} · `}since {ago(one.joined_at)}</small></span>
            </Link>
          </li>
        )}
        empty={<Empty icon="people" title="No members to show" />}
      />
    </>
  );
}

function Requests({ id, onAdmit }: { id: string; onAdmit: () => void }): JSX.Element | null {
  const list = useList<JoinRequest>((cursor, signal) => client.connectors.listJoinRequests(id, { limit: 20, ...(cursor && { cursor }) }, { signal }), [id]);
  if (!list.items.length) return null;
  const decide = async (userId: string, decision: "accept" | "decline"): Promise<void> => {
    await client.connectors.decideJoinRequest(id, userId, { decision });
    list.change((items) => items.filter(({ user }) => user.id !== userId));
    if (decision === "accept") onAdmit();
  };
  return (
    <section aria-labelledby="requests">
      <h2 id="requests">Requests to join</h2>
      <ul class="rows">
        {list.items.map(({ user }) => (
          <li key={user.id} class="split">
            <Link to={`/people/${user.id}`} class="name">{user.display_name}</Link>
            <span class="buttons">
              <Button small kind="primary" label={`Admit ${user.display_name}`} onClick={() => decide(user.id, "accept")}>Admit</Button>
              <Button small label={`Decline ${user.display_name}`} onClick={() => decide(user.id, "decline")}>Decline</Button>
            </span>
          </li>
        ))}
      </ul>
    </section>
  );
}

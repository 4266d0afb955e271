import type { Connector, Event, Item, Person, Post } from "@neighborconnect/client";
import type { ComponentChildren, JSX } from "preact";
import { useState } from "preact/hooks";
import { client } from "./api.ts";
import { ago, count, moment, price, words } from "./format.ts";
import { Link } from "./router.tsx";
import { attempt, Avatar, Button, hue, Icon, initials, PersonAvatar, Pictures } from "./ui.tsx";

export function Byline({ person, children }: { person: Person; children: ComponentChildren }): JSX.Element {
  return (
    <div class="byline">
      <PersonAvatar person={person} />
      <div>
        <Link to={`/people/${person.id}`} class="person">{person.display_name}</Link>
        <small>{children}</small>
      </div>
    </div>
  );
}

export function PostCard({ post, isWhole = false, onOpen }: { post: Post; isWhole?: boolean; onOpen?: (() => void) | undefined }): JSX.Element {
  return (
    <>
      <Byline person={post.author}>
        <Link to={`/connectors/${post.connector_id}`}>{post.connector_name}</Link>
        {" · "}
        <time dateTime={post.created_at} title={moment(post.created_at)}>{ago(post.created_at)}</time>
        {post.edited && " · edited"}
      </Byline>
      {isWhole ? (
        <>
          {post.title && <h1 class="title">{post.title}</h1>}
          <p class="content">{post.content}</p>
        </>
      ) : (
        <Link to={`/posts/${post.id}`} class="body" {...(onOpen && { onClick: onOpen })}>
          {post.title && <h2 class="title">{post.title}</h2>}
          <p class="content clamped">{post.content}</p>
        </Link>
      )}
      <Pictures media={post.media} />
      <PostActions post={post} {...(onOpen && { onOpen })} />
    </>
  );
}

function PostActions({ post, onOpen }: { post: Post; onOpen?: () => void }): JSX.Element {
  const [like, setLike] = useState({ liked: post.liked, like_count: post.like_count });
  const [isSaved, setSaved] = useState(post.bookmarked);
  const toggleLike = async (): Promise<void> => {
    const before = like;
    setLike({ liked: !before.liked, like_count: before.like_count + (before.liked ? -1 : 1) });
    const isDone = await attempt(async () => {
      const { liked, like_count } = await (before.liked ? client.posts.unlike(post.id) : client.posts.like(post.id));
      setLike({ liked, like_count });
    });
    if (!isDone) setLike(before);
  };
  const toggleSaved = async (): Promise<void> => {
    setSaved(!isSaved);
    if (!(await attempt(() => (isSaved ? client.posts.removeBookmark(post.id) : client.posts.bookmark(post.id))))) setSaved(isSaved);
  };
  return (
    <div class="actions">
      <button type="button" class="action like" aria-pressed={like.liked} aria-label={`Like, ${like.like_count} so far`} onClick={() => void toggleLike()}>
        <Icon name="heart" filled={like.liked} />
        <span>{like.like_count}</span>
      </button>
      <Link to={`/posts/${post.id}`} class="action" label={`Comments, ${post.comment_count} so far`} {...(onOpen && { onClick: onOpen })}>
        <Icon name="comment" />
        <span>{post.comment_count}</span>
      </Link>
      <button type="button" class="action" aria-pressed={isSaved} aria-label="Bookmark" onClick={() => void toggleSaved()}>
        <Icon name="bookmark" filled={isSaved} />
      </button>
    </div>
  );
}

export function ConnectorMark({ connector, large = false }: { connector: { name: string; category: string }; large?: boolean }): JSX.Element {
  return <span class={`mark ${large ? "large" : ""}`} style={{ "--hue": hue(connector.category) }} data-initials={initials(connector.name)} aria-hidden="true" />;
}

export function ConnectorCard({ connector, onOpen }: { connector: Connector; onOpen?: (() => void) | undefined }): JSX.Element {
  return (
    <>
      <div class="byline">
        <ConnectorMark connector={connector} />
        <div>
          <Link to={`/connectors/${connector.id}`} class="name" {...(onOpen && { onClick: onOpen })}>{connector.name}</Link>
          <small>{words(connector.category)} · {count(connector.member_count, "member")} · {count(connector.post_count, "post")}</small>
        </div>
      </div>
      {connector.description && <p class="content clamped">{connector.description}</p>}
      <JoinButton connector={connector} />
    </>
  );
}

export function JoinButton({ connector, onChange }: { connector: Connector; onChange?: () => void }): JSX.Element {
  const [state, setState] = useState<"none" | "requested" | "member">(
    connector.role ? "member" : connector.requested ? "requested" : "none",
  );
  const join = async (): Promise<void> => {
    const { status } = await client.connectors.join(connector.id);
    setState(status === "member" ? "member" : "requested");
    onChange?.();
  };
  const leave = async (): Promise<void> => {
    await client.connectors.leave(connector.id);
    setState("none");
    onChange?.();
  };
  if (state === "member") return <Button icon="check" onClick={leave} label={`Joined: leave ${connector.name}`} pressed>Joined</Button>;
  if (state === "requested") return <Button onClick={leave} label={`Requested: withdraw your request to join ${connector.name}`} pressed>Requested</Button>;
  if (connector.join_policy === "invitation" && !connector.invited) return <p class="fine">By invitation only</p>;
  const text = connector.join_policy === "approval" && !connector.invited ? "Ask to join" : "Join";
  return <Button kind="primary" icon="plus" onClick={join} label={`${text} ${connector.name}`}>{text}</Button>;
}

export function DateTile({ value, timeZone }: { value: string; timeZone: string }): JSX.Element {
  return (
    <span class="date" aria-hidden="true">
      <small>{moment(value, { month: "short", timeZone })}</small>
      <b>{moment(value, { day: "numeric", timeZone })}</b>
    </span>
  );
}

export function eventTime(event: Event): string {
  return moment(event.start_date, { weekday: "short", day: "numeric", month: "short", hour: "numeric", minute: "2-digit", timeZone: event.time_zone });
}

export function EventCard({ event, onOpen }: { event: Event; onOpen?: (() => void) | undefined }): JSX.Element {
  return (
    <>
      <div class="byline">
        <DateTile value={event.start_date} timeZone={event.time_zone} />
        <div>
          <Link to={`/events/${event.id}`} class="name" {...(onOpen && { onClick: onOpen })}>{event.title}</Link>
          <small>{eventTime(event)}</small>
          {event.location && <small class="with-icon"><Icon name="place" />{event.location}</small>}
        </div>
      </div>
      {event.description && <p class="content clamped">{event.description}</p>}
      <p class="fine">
        <Link to={`/connectors/${event.connector_id}`}>{event.connector_name}</Link>
        {" · "}
        {count(event.attendee_count, "neighbor")} going
        {event.remaining_capacity !== null && ` · ${event.is_full ? "full" : count(event.remaining_capacity, "place") + " left"}`}
      </p>
      {event.cancelled ? <p class="badge">Canceled</p> : <RsvpButtons event={event} />}
    </>
  );
}

const ANSWERS = { attending: "Going", maybe: "Maybe", declined: "Not going" } as const;

export function RsvpButtons({ event, onChange }: { event: Event; onChange?: () => void }): JSX.Element {
  const [status, setStatus] = useState(event.viewer_status);
  const answer = async (wanted: keyof typeof ANSWERS): Promise<void> => {
    const given = await client.events.rsvpToEvent(event.id, { status: wanted });
    setStatus(given.status);
    onChange?.();
  };
  return (
    <div class="buttons" role="group" aria-label={`Answer to ${event.title}`}>
      {(Object.keys(ANSWERS) as (keyof typeof ANSWERS)[]).map((one) => (
        <Button key={one} pressed={status === one || (one === "attending" && status === "waiting")} onClick={() => answer(one)}>
          {one === "attending" && status === "waiting" ? "On the waitlist" : ANSWERS[one]}
        </Button>
      ))}
    </div>
  );
}

export function ItemCard({ item, onOpen }: { item: Item; onOpen?: (() => void) | undefined }): JSX.Element {
  return (
    <>
      <Pictures media={item.media?.slice(0, 1)} />
      <div class="offer">
        <Link to={`/market/${item.id}`} class="name" {...(onOpen && { onClick: onOpen })}>{item.title}</Link>
        <b class="price">{price(item.price, item.currency)}</b>
      </div>
      {item.description && <p class="content clamped two">{item.description}</p>}
      <p class="fine with-icon">
        <Avatar name={item.seller.display_name} url={item.seller.avatar_url} size="small" />
        {item.seller.display_name} · {words(item.category)}{item.condition && ` · ${words(item.condition)}`}
        {item.status !== "available" && <span class="badge">{words(item.status)}</span>}
      </p>
    </>
  );
}

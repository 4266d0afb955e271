import type { Consents, Export, Post } from "@neighborconnect/client";
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { client } from "../api.ts";
import { PostCard } from "../cards.tsx";
import { useList, useLoad } from "../data.ts";
import { count, moment, words } from "../format.ts";
import { Link, type PageProps } from "../router.tsx";
import { useUser } from "../session.tsx";
import { useTitle } from "../title.ts";
import { attempt, Avatar, BackLink, Button, Empty, ErrorBox, Icon, ListView, Segments, Skeleton } from "../ui.tsx";

type Part = "posts" | "saved" | "privacy";

export function ProfilePage(): JSX.Element {
  useTitle("You");
  const user = useUser();
  const [part, setPart] = useState<Part>("posts");
  const name = `${user.first_name} ${user.last_name}`;
  return (
    <>
      <header class="card profile">
        <Avatar name={name} url={user.avatar_url} size="large" />
        <div>
          <h1>{name}</h1>
          <p class="fine">@{user.username}{user.neighborhood && ` · ${user.neighborhood}`}</p>
          <p class="fine">{user.email}{!user.verified && " · not verified"}</p>
        </div>
        {user.interests.length > 0 && <p class="chips">{user.interests.map((one) => <span class="kind" key={one}>{one}</span>)}</p>}
        <div class="buttons">
          <Link to="/tune" class="button"><Icon name="tune" />Tune your feed</Link>
          <Button icon="out" onClick={() => client.auth.logout()}>Sign out</Button>
        </div>
      </header>
      <Segments label="Part of your profile" value={part} options={[["posts", "Posts"], ["saved", "Bookmarks"], ["privacy", "Privacy"]]} onChange={setPart} />
      {part === "privacy" ? <Privacy /> : <Posts key={part} part={part} userId={user.id} />}
    </>
  );
}

function Posts({ part, userId }: { part: "posts" | "saved"; userId: string }): JSX.Element {
  const list = useList<Post>(
    (cursor, signal) => {
      const query = { limit: 20, ...(cursor && { cursor }) };
      return part === "saved" ? client.posts.listBookmarks(query, { signal }) : client.posts.list({ ...query, author_id: userId }, { signal });
    },
    [part, userId],
  );
  return (
    <ListView
      list={list}
      label={part === "saved" ? "Bookmarks" : "Posts"}
      row={(post) => <li class="card" key={post.id}><PostCard post={post} /></li>}
      empty={part === "saved" ? <Empty icon="bookmark" title="No bookmarks"><p>Bookmark a post to find it here.</p></Empty> : <Empty icon="comment" title="No posts yet" />}
    />
  );
}

const PURPOSES: Record<string, string> = {
  personalization: "Feeds and suggestions use what you read, like and open",
  analytics: "Statistics of how the platform is used",
  marketing: "Messages about news of the platform",
  research: "Studies with data that does not name you",
};

function Privacy(): JSX.Element {
  const { data, error, reload, set } = useLoad<Consents>((signal) => client.privacy.getConsents({ signal }), []);
  const exports = useList<Export>((cursor, signal) => client.privacy.listExports({ limit: 10, ...(cursor && { cursor }) }, { signal }), []);
  return (
    <>
      <section class="card" aria-labelledby="consents">
        <h2 id="consents">Consents</h2>
        <p class="fine">A change applies from the next request on.</p>
        {Boolean(error) && <ErrorBox error={error} retry={reload} />}
        {!data && !error && <Skeleton rows={1} />}
        {data?.consents.map(({ purpose, granted }) => (
          <label class="consent" key={purpose}>
            <input
              type="checkbox"
              checked={granted}
              onChange={({ currentTarget }) => {
                const wanted = currentTarget.checked;
                void attempt(async () => set(await client.privacy.setConsent(purpose, { granted: wanted }))).then((isDone) => {
                  if (!isDone) currentTarget.checked = granted;
                });
              }}
            />
            <span><b>{words(purpose)}</b><small>{PURPOSES[purpose]}</small></span>
          </label>
        ))}
      </section>
      <section class="card" aria-labelledby="exports">
        <h2 id="exports">Your data</h2>
        <p class="fine">An export has everything that the platform stores about you. It is available for seven days.</p>
        <Button onClick={async () => { await client.privacy.createExport(); exports.reload(); }}>Request an export</Button>
        <ul>
          {exports.items.map((one) => (
            <li class="split" key={one.id}>
              <span>{moment(one.created_at)}<small>{words(one.state)}{one.bytes !== null && ` · ${count(Math.ceil(one.bytes / 1024), "KiB", "KiB")}`}</small></span>
              {one.url ? (
                <a class="button small" href={one.url} download>Download</a>
              ) : (
                <Button small icon="refresh" onClick={async () => {
                  const changed = await client.privacy.getExport(one.id);
                  exports.change((items) => items.map((item) => (item.id === one.id ? changed : item)));
                }}>Check</Button>
              )}
            </li>
          ))}
        </ul>
        {Boolean(exports.error) && <ErrorBox error={exports.error} retry={exports.reload} />}
      </section>
    </>
  );
}

export function PersonPage({ id }: PageProps): JSX.Element {
  const { data: person, error, reload } = useLoad((signal) => client.users.get(id, { signal }), [id]);
  const own = useUser();
  const name = person ? `${person.first_name} ${person.last_name}` : "Neighbor";
  useTitle(name);
  if (error) return <><BackLink /><ErrorBox error={error} retry={reload} /></>;
  if (!person) return <Skeleton rows={2} />;
  const follows = person.relation?.follows ?? false;
  return (
    <>
      <BackLink />
      <header class="card profile">
        <Avatar name={name} url={person.avatar_url} size="large" />
        <div>
          <h1>{name}</h1>
          <p class="fine">@{person.username}{person.neighborhood && ` · ${person.neighborhood}`}</p>
          <p class="fine">{count(person.follower_count, "follower")} · follows {person.following_count}</p>
        </div>
        {person.interests.length > 0 && <p class="chips">{person.interests.map((one) => <span class="kind" key={one}>{one}</span>)}</p>}
        {person.id !== own.id && (
          <Button
            kind={follows ? "" : "primary"}
            pressed={follows}
            onClick={async () => {
              await (follows ? client.relationships.unfollowUser(id) : client.relationships.followUser(id));
              reload();
            }}
          >
            {follows ? "Following" : "Follow"}
          </Button>
        )}
      </header>
      <Posts part="posts" userId={id} />
    </>
  );
}

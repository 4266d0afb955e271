import type { Consents, Export, HiddenItem, OwnUser, Post, RelatedUser, UserProfile } from "@neighborconnect/client";
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { client } from "../api.ts";
import { PostCard } from "../cards.tsx";
import { forgetLists, useList, useLoad } from "../data.ts";
import { Form } from "../form.tsx";
import { ago, count, moment, words } from "../format.ts";
import { Link, navigate, type PageProps } from "../router.tsx";
import { announceErasure, useUser } from "../session.tsx";
import { useTitle } from "../title.ts";
import { attempt, Avatar, BackLink, Button, Check, Confirm, Dialog, Empty, ErrorBox, Field, Icon, ListView, Menu, type MenuEntry, PersonAvatar, Segments, Skeleton, toast } from "../ui.tsx";
import { ReportDialog } from "./report.tsx";

type Part = "posts" | "saved" | "hidden" | "privacy";
const PARTS: [Part, string][] = [["posts", "Posts"], ["saved", "Bookmarks"], ["hidden", "Hidden"], ["privacy", "Privacy"]];

export function ProfilePage({ query }: PageProps): JSX.Element {
  useTitle("You");
  const user = useUser();
  const part = PARTS.find(([one]) => one === query.get("part"))?.[0] ?? "posts";
  const name = `${user.first_name} ${user.last_name}`;
  return (
    <>
      <header class="card profile">
        <Avatar name={name} url={user.avatar_url} size="large" />
        <div>
          <h1>{name}</h1>
          <p class="fine">@{user.username}{user.neighborhood && ` · ${user.neighborhood}`}</p>
          <p class="fine">{user.email}</p>
        </div>
        {user.interests.length > 0 && <p class="chips">{user.interests.map((one) => <span class="kind" key={one}>{one}</span>)}</p>}
        {!user.verified && <Unverified user={user} />}
        <div class="buttons">
          <Link to="/you/edit" class="button"><Icon name="edit" />Edit profile</Link>
          <Link to="/tune" class="button"><Icon name="tune" />Tune your feed</Link>
          {user.role !== "member" && <a class="button" href="/console"><Icon name="shield" />Moderation queue</a>}
          <Button icon="out" onClick={() => client.auth.logout()}>Sign out</Button>
        </div>
      </header>
      <Segments label="Part of your profile" value={part} options={PARTS} onChange={(one) => navigate(one === "posts" ? "/you" : `/you?part=${one}`, { replace: true })} />
      {part === "privacy" && <Privacy />}
      {part === "hidden" && <HiddenLists />}
      {(part === "posts" || part === "saved") && <Posts key={part} part={part} userId={user.id} />}
    </>
  );
}

function Unverified({ user }: { user: OwnUser }): JSX.Element {
  return (
    <div class="notice">
      <p>Confirm your address: open the link in the email to {user.email}.</p>
      <Button small onClick={async () => { await client.account.resendVerification(); toast("A new email is on its way."); }}>Send it again</Button>
    </div>
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
      <Erasure />
    </>
  );
}

function Erasure(): JSX.Element {
  const [isOpen, setOpen] = useState(false);
  return (
    <section class="card" aria-labelledby="erasure">
      <h2 id="erasure">Delete your account</h2>
      <p class="fine">Your data is erased from every store of the platform. This cannot be undone.</p>
      <Button kind="danger" icon="trash" onClick={() => setOpen(true)}>Delete my account</Button>
      {isOpen && (
        <Dialog title="Delete your account?" onClose={() => setOpen(false)}>
          <Form
            class="composer"
            kind="danger"
            action="Delete it for good"
            onCancel={() => setOpen(false)}
            submit={async ({ password = "", keep_words }, idempotencyKey) => {
              const erasure = await client.privacy.requestErasure({ password, keep_words: keep_words === "on" }, { idempotencyKey });
              announceErasure(erasure.code);
            }}
          >
            {(field) => (
              <>
                <p>Pictures and videos, messages, answers and everything that models know about you are erased.</p>
                <Check label="Leave my texts" hint="Without your name" name="keep_words" />
                <Field label="Your password" type="password" autocomplete="current-password" required {...field("password")} />
              </>
            )}
          </Form>
        </Dialog>
      )}
    </section>
  );
}

const HIDDEN_PAGES: Record<string, (id: string) => string> = {
  post: (id) => `/posts/${id}`,
  connector: (id) => `/connectors/${id}`,
  event: (id) => `/events/${id}`,
  item: (id) => `/market/${id}`,
  user: (id) => `/people/${id}`,
};

function HiddenLists(): JSX.Element {
  const hidden = useList<HiddenItem>((cursor, signal) => client.interactions.listHiddenItems({ limit: 20, ...(cursor && { cursor }) }, { signal }), []);
  const unhide = async ({ item_kind, item_id }: HiddenItem): Promise<void> => {
    await client.interactions.unhideItem(item_kind, item_id);
    forgetLists();
    hidden.change((items) => items.filter((one) => one.item_id !== item_id));
  };
  return (
    <>
      <section aria-labelledby="hidden">
        <h2 id="hidden">Hidden</h2>
        <ListView
          list={hidden}
          label="Hidden"
          compact
          row={(one) => (
            <li key={one.item_id} class="split">
              <span>
                {one.title ? <Link to={HIDDEN_PAGES[one.item_kind]?.(one.item_id) ?? "/"} class="name clamped one">{one.title}</Link> : <b>No longer to be seen</b>}
                <small>{words(one.item_kind)} · {ago(one.hidden_at)}</small>
              </span>
              <Button small onClick={() => unhide(one)} label={`Show ${one.title ?? one.item_kind} again`}>Undo</Button>
            </li>
          )}
          empty={<p class="fine">You have hidden nothing.</p>}
        />
      </section>
      <PeopleList title="Muted people" hint="Their posts are not in your feeds. They do not know." none="You mute nobody." load={client.relationships.listMutes} undo={client.relationships.unmuteUser} action="Unmute" />
      <PeopleList title="Blocked people" hint="You and they see nothing of each other." none="You block nobody." load={client.relationships.listBlocks} undo={client.relationships.unblockUser} action="Unblock" />
      <p class="fine">Muted groups and categories are under <Link to="/tune">Tune your feed</Link>.</p>
    </>
  );
}

function PeopleList({ title, hint, none, load, undo, action }: {
  title: string;
  hint: string;
  none: string;
  load: typeof client.relationships.listMutes;
  undo: (userId: string) => Promise<void>;
  action: string;
}): JSX.Element {
  const list = useList<RelatedUser>((cursor, signal) => load({ limit: 20, ...(cursor && { cursor }) }, { signal }), []);
  const end = async (id: string): Promise<void> => {
    await undo(id);
    forgetLists();
    list.change((items) => items.filter(({ user_id }) => user_id !== id));
  };
  return (
    <section aria-label={title}>
      <h2>{title}</h2>
      <p class="fine">{hint}</p>
      <ListView
        list={list}
        label={title}
        compact
        row={({ user, user_id, since }) => (
          <li key={user_id} class="split">
            <span class="byline"><PersonAvatar person={user} /><span><b>{user.display_name}</b><small>{ago(since)}</small></span></span>
            <Button small onClick={() => end(user_id)} label={`${action} ${user.display_name}`}>{action}</Button>
          </li>
        )}
        empty={<p class="fine">{none}</p>}
      />
    </section>
  );
}

export function PersonPage({ id }: PageProps): JSX.Element {
  const { data: person, error, reload } = useLoad((signal) => client.users.get(id, { signal }), [id]);
  const own = useUser();
  const name = person ? `${person.first_name} ${person.last_name}` : "Neighbor";
  useTitle(name);
  if (error) return <><BackLink /><ErrorBox error={error} retry={reload} /></>;
  if (!person) return <Skeleton rows={2} />;
  if (person.relation?.blocked) {
    return (
      <>
        <BackLink />
        <Empty icon="block" title={`You block ${name}`}>
          <p>You and they see nothing of each other.</p>
          <Button onClick={async () => { await client.relationships.unblockUser(id); forgetLists(); reload(); }}>Unblock</Button>
        </Empty>
      </>
    );
  }
  return (
    <>
      <div class="split"><BackLink />{person.id !== own.id && <PersonMenu person={person} name={name} onChange={reload} />}</div>
      <header class="card profile">
        <Avatar name={name} url={person.avatar_url} size="large" />
        <div>
          <h1>{name}</h1>
          <p class="fine">@{person.username}{person.neighborhood && ` · ${person.neighborhood}`}{person.relation?.followed_by && " · follows you"}</p>
          <p class="fine">{count(person.follower_count, "follower")} · follows {person.following_count}{person.relation?.muted && " · muted"}</p>
        </div>
        {person.interests.length > 0 && <p class="chips">{person.interests.map((one) => <span class="kind" key={one}>{one}</span>)}</p>}
        {person.id === own.id ? <Link to="/you" class="button">Your own page</Link> : <PersonButtons person={person} onChange={reload} />}
      </header>
      <Posts part="posts" userId={id} />
    </>
  );
}

function PersonButtons({ person: { id, relation }, onChange }: { person: UserProfile; onChange: () => void }): JSX.Element {
  const follows = relation?.follows ?? false;
  const follow = async (): Promise<void> => {
    await (follows ? client.relationships.unfollowUser(id) : client.relationships.followUser(id));
    forgetLists();
    onChange();
  };
  const write = async (): Promise<void> => {
    const conversation = await client.chat.createConversation({ kind: "direct", user_id: id });
    navigate(`/chat/${conversation.id}`);
  };
  return (
    <div class="buttons">
      <Button kind={follows ? "" : "primary"} pressed={follows} onClick={follow}>{follows ? "Following" : "Follow"}</Button>
      <Button icon="chat" onClick={write}>Write</Button>
    </div>
  );
}

function PersonMenu({ person: { id, relation }, name, onChange }: { person: UserProfile; name: string; onChange: () => void }): JSX.Element {
  const [open, setOpen] = useState<"block" | "report">();
  const isMuted = relation?.muted ?? false;
  const mute = (): Promise<boolean> =>
    attempt(async () => {
      await (isMuted ? client.relationships.unmuteUser(id) : client.relationships.muteUser(id));
      forgetLists();
      onChange();
    });
  const entries: MenuEntry[] = [
    { label: isMuted ? "Unmute" : "Mute", hint: isMuted ? "Show their posts in your feeds" : "No posts of theirs in your feeds", icon: "mute", run: mute },
    { label: "Block", hint: "You and they see nothing of each other", icon: "block", run: () => setOpen("block") },
    { label: "Report", icon: "flag", run: () => setOpen("report") },
  ];
  return (
    <>
      <Menu label={`Actions on ${name}`} entries={entries} />
      {open === "block" && (
        <Confirm
          title={`Block ${name}?`}
          action="Block"
          onClose={() => setOpen(undefined)}
          run={async () => {
            await client.relationships.blockUser(id);
            forgetLists();
            toast(`You block ${name}.`);
            navigate("/you?part=hidden");
          }}
        >
          <p>Posts, comments, offers and messages of each other are hidden from both of you. You can undo it on your own page.</p>
        </Confirm>
      )}
      {open === "report" && <ReportDialog kind="user" id={id} onClose={() => setOpen(undefined)} />}
    </>
  );
}

import type { SearchMatch } from "@neighborconnect/client";
import type { JSX } from "preact";
import { client } from "../api.ts";
import { useList } from "../data.ts";
import { words } from "../format.ts";
import { Link, navigate, type PageProps } from "../router.tsx";
import { useTitle } from "../title.ts";
import { Empty, Icon, type IconName, ListView, Segments } from "../ui.tsx";

type Kind = SearchMatch["kind"];
const KINDS: Record<Kind, { icon: IconName; name: string; page: (id: string) => string }> = {
  post: { icon: "comment", name: "Posts", page: (id) => `/posts/${id}` },
  connector: { icon: "people", name: "Groups", page: (id) => `/connectors/${id}` },
  event: { icon: "calendar", name: "Events", page: (id) => `/events/${id}` },
  item: { icon: "tag", name: "Offers", page: (id) => `/market/${id}` },
  user: { icon: "person", name: "Neighbors", page: (id) => `/people/${id}` },
};

export function SearchPage({ query }: PageProps): JSX.Element {
  const q = query.get("q") ?? "";
  const kind = (query.get("kind") ?? "") as Kind | "";
  useTitle(q ? `Search: ${q}` : "Search");
  const list = useList<SearchMatch>(
    async (cursor, signal) =>
      q
        ? client.search({ q, limit: 20, ...(kind && { kind: [kind] }), ...(cursor && { cursor }) }, { signal })
        : { items: [], next_cursor: null },
    [q, kind],
  );
  const go = (text: string, of: Kind | ""): void =>
    navigate(`/search?${new URLSearchParams({ ...(text && { q: text }), ...(of && { kind: of }) })}`, { replace: true });
  return (
    <>
      <header class="page"><div><h1>Search</h1></div></header>
      <form
        role="search"
        class="search"
        onSubmit={(event) => {
          event.preventDefault();
          go(String(new FormData(event.currentTarget).get("q") ?? "").trim(), kind);
        }}
      >
        <input type="search" name="q" defaultValue={q} aria-label="Search the neighborhood" placeholder="Posts, groups, events, offers" enterKeyHint="search" />
        <button type="submit" class="button primary" aria-label="Search"><Icon name="search" /></button>
      </form>
      <Segments<Kind | "">
        label="Kind"
        value={kind}
        options={[["", "All"], ...(Object.entries(KINDS).map(([one, { name }]) => [one, name]) as [Kind, string][])]}
        onChange={(one) => go(q, one)}
      />
      <ListView
        list={list}
        label="Matches"
        compact
        row={(one) => (
          <li key={one.id}>
            <Link to={KINDS[one.kind].page(one.id)} class="row">
              <span class="bubble"><Icon name={KINDS[one.kind].icon} /></span>
              <span><strong>{one.title || words(one.kind)}</strong>{one.excerpt && <small class="clamped two">{one.excerpt.replaceAll(/<\/?(?:b|mark|em)>/g, "")}</small>}</span>
            </Link>
          </li>
        )}
        empty={
          q ? (
            <Empty icon="search" title={`Nothing for “${q}”`}><p>Try fewer or other words.</p></Empty>
          ) : (
            <Empty icon="search" title="What are you looking for?"><p>Spelling mistakes are fine.</p></Empty>
          )
        }
      />
    </>
  );
}

import type { Item, Purchase } from "@neighborconnect/client";
import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import { client } from "../api.ts";
import { ItemCard } from "../cards.tsx";
import { forgetLists, useList, useLoad } from "../data.ts";
import { ago, price, words } from "../format.ts";
import { Link, navigate, type PageProps } from "../router.tsx";
import { useUser } from "../session.tsx";
import { useTitle } from "../title.ts";
import { BackLink, Button, Confirm, Dialog, Empty, ErrorBox, Icon, ListView, Menu, type MenuEntry, PersonAvatar, Pictures, Segments, Skeleton, toast } from "../ui.tsx";
import { ReportDialog } from "./report.tsx";

type Part = "items" | "own" | "purchases" | "sales";

export function MarketPage({ query }: PageProps): JSX.Element {
  useTitle("Marketplace");
  const part = (["own", "purchases", "sales"].find((one) => one === query.get("part")) ?? "items") as Part;
  return (
    <>
      <header class="page"><div><h1>Marketplace</h1></div><Link to="/new/offer" class="button"><Icon name="plus" />New</Link></header>
      <Segments
        label="Part of the marketplace"
        value={part}
        options={[["items", "Offers"], ["own", "Yours"], ["purchases", "Bought"], ["sales", "Sold"]]}
        onChange={(one) => navigate(one === "items" ? "/market" : `/market?part=${one}`, { replace: true })}
      />
      {part === "items" && <Items category={query.get("category") ?? ""} />}
      {part === "own" && <OwnItems />}
      {(part === "purchases" || part === "sales") && <Purchases key={part} part={part} />}
    </>
  );
}

function Items({ category }: { category: string }): JSX.Element {
  const { data: categories } = useLoad((signal) => client.marketplace.listItemCategories({ signal }), []);
  const list = useList<Item>(
    (cursor, signal) =>
      client.marketplace.listItems({ limit: 20, status: "available", ...(category && { category }), ...(cursor && { cursor }) }, { signal }),
    [category],
  );
  return (
    <>
      <div class="field">
        <label for="category">Category</label>
        <select
          id="category"
          value={category}
          onChange={({ currentTarget: { value } }) => navigate(value ? `/market?category=${encodeURIComponent(value)}` : "/market", { replace: true })}
        >
          <option value="">All</option>
          {categories?.items.map((one) => <option key={one.category} value={one.category}>{words(one.category)} ({one.item_count})</option>)}
        </select>
      </div>
      <ListView
        list={list}
        label="Offers"
        row={(item) => <li class="card" key={item.id}><ItemCard item={item} /></li>}
        empty={<Empty icon="tag" title="No offers"><p>Nobody offers anything here right now.</p></Empty>}
      />
    </>
  );
}

function OwnItems(): JSX.Element {
  const user = useUser();
  const list = useList<Item>((cursor, signal) => client.marketplace.listItems({ limit: 20, seller_id: user.id, ...(cursor && { cursor }) }, { signal }), []);
  return (
    <ListView
      list={list}
      label="Your offers"
      row={(item) => <li class="card" key={item.id}><ItemCard item={item} /></li>}
      empty={<Empty icon="tag" title="You offer nothing yet"><Link to="/new/offer" class="button primary">Offer something</Link></Empty>}
    />
  );
}

function Purchases({ part }: { part: "purchases" | "sales" }): JSX.Element {
  const list = useList<Purchase>(
    (cursor, signal) => {
      const query = { limit: 20, ...(cursor && { cursor }) };
      return part === "sales" ? client.marketplace.listSales(query, { signal }) : client.marketplace.listPurchases(query, { signal });
    },
    [part],
  );
  const change = async (action: Promise<Purchase>): Promise<void> => {
    const changed = await action;
    list.change((items) => items.map((one) => (one.id === changed.id ? changed : one)));
  };
  return (
    <ListView
      list={list}
      label={part === "sales" ? "Your sales" : "Your purchases"}
      compact
      row={(one) => (
        <li key={one.id} class="split">
          <span>
            <Link to={`/market/${one.item_id}`} class="name">{one.title}</Link>
            <small>
              {price(one.price, one.currency)} · {words(one.status)} · {(part === "sales" ? one.buyer : one.seller)?.display_name ?? "a former neighbor"} · {ago(one.created_at)}
            </small>
          </span>
          {one.status === "agreed" && (
            <span class="buttons">
              {part === "sales" && <Button small onClick={() => change(client.marketplace.completePurchase(one.id))}>Handed over</Button>}
              <Button small onClick={() => change(client.marketplace.cancelPurchase(one.id))}>Cancel</Button>
            </span>
          )}
        </li>
      )}
      empty={<Empty icon="tag" title={part === "sales" ? "Nothing sold yet" : "Nothing bought yet"} />}
    />
  );
}

export function ItemPage({ id }: PageProps): JSX.Element {
  const { data: item, error, reload } = useLoad((signal) => client.marketplace.getItem(id, { signal }), [id]);
  const [isBuying, setBuying] = useState(false);
  const user = useUser();
  useTitle(item?.title ?? "Offer");
  useEffect(() => void client.marketplace.recordItemView(id).catch(() => undefined), [id]);
  if (error) return <><BackLink to="/market">Marketplace</BackLink><ErrorBox error={error} retry={reload} /></>;
  if (!item) return <Skeleton rows={2} />;
  const own = item.viewer_purchase;
  const buy = async (): Promise<void> => {
    setBuying(false);
    // The price that the person saw: a seller cannot raise it in between.
    await client.marketplace.buyItem(id, { expected_price: item.price, expected_currency: item.currency });
    toast("Bought. Agree with the seller on the handover.");
    reload();
  };
  const write = async (): Promise<void> => {
    const conversation = await client.chat.createConversation({ kind: "direct", user_id: item.seller.id });
    navigate(`/chat/${conversation.id}`);
  };
  return (
    <>
      <div class="split"><BackLink to="/market">Marketplace</BackLink><ItemMenu item={item} /></div>
      <article class="card">
        <Pictures media={item.media} />
        <div class="offer"><h1>{item.title}</h1><b class="price">{price(item.price, item.currency)}</b></div>
        <p class="fine">{words(item.category)}{item.condition && ` · ${words(item.condition)}`} · <Link to={`/connectors/${item.connector_id}`}>{item.connector_name}</Link> · {ago(item.created_at)}</p>
        {item.description && <p class="content">{item.description}</p>}
        <div class="byline"><PersonAvatar person={item.seller} /><div><Link to={`/people/${item.seller.id}`} class="person">{item.seller.display_name}</Link><small>Seller</small></div></div>
        {own && <p class="notice">{own.status === "agreed" ? "You agreed to buy this." : own.status === "completed" ? "You bought this." : "Your purchase was canceled."} <Link to="/market?part=purchases">Your purchases</Link></p>}
        {item.status !== "available" && !own && <p class="badge">{words(item.status)}</p>}
        {item.seller.id !== user.id && <div class="buttons">
          {(item.status === "available" || item.reserved_by_viewer) && own?.status !== "agreed" && (
            <Button kind="primary" icon="tag" onClick={() => setBuying(true)}>Buy for {price(item.price, item.currency)}</Button>
          )}
          <Button icon="chat" onClick={write}>Write to the seller</Button>
        </div>}
      </article>
      {isBuying && (
        <Dialog title="Buy this?" onClose={() => setBuying(false)}>
          <p>{item.title} from {item.seller.display_name} for <b>{price(item.price, item.currency)}</b>. You pay at the handover.</p>
          <div class="buttons">
            <Button kind="primary" onClick={() => buy().catch((failure: unknown) => { reload(); throw failure; })}>Buy</Button>
            <Button onClick={() => setBuying(false)}>Not now</Button>
          </div>
        </Dialog>
      )}
    </>
  );
}

function ItemMenu({ item }: { item: Item }): JSX.Element {
  const user = useUser();
  const [open, setOpen] = useState<"withdraw" | "report">();
  const own: MenuEntry[] = [
    { label: "Edit", icon: "edit", run: () => navigate(`/market/${item.id}/edit`) },
    { label: "Withdraw", icon: "trash", run: () => setOpen("withdraw") },
  ];
  return (
    <>
      <Menu label="Actions on this offer" entries={item.seller.id === user.id ? own : [{ label: "Report", icon: "flag", run: () => setOpen("report") }]} />
      {open === "withdraw" && (
        <Confirm
          title="Withdraw this offer?"
          action="Withdraw"
          onClose={() => setOpen(undefined)}
          run={async () => {
            await client.marketplace.withdrawItem(item.id);
            forgetLists();
            toast("The offer is withdrawn.");
            navigate("/market?part=own", { replace: true });
          }}
        >
          <p>{item.title} is no longer offered.</p>
        </Confirm>
      )}
      {open === "report" && <ReportDialog kind="item" id={item.id} onClose={() => setOpen(undefined)} />}
    </>
  );
}

import type { Connector, ConnectorDetail } from "@neighborconnect/client";
import type { JSX } from "preact";
import { client } from "../api.ts";
import { ConnectorCard } from "../cards.tsx";
import { forgetLists, useList, useLoad } from "../data.ts";
import { EditForm, type FieldSource, Form, orNull, type Values } from "../form.tsx";
import { Link, navigate, type PageProps } from "../router.tsx";
import { useTitle } from "../title.ts";
import { BackLink, Check, Empty, ErrorBox, Field, Icon, ListView, type Option, Segments } from "../ui.tsx";
import { PicturesField, type Uploads, useUploads } from "../uploads.tsx";

export function GroupsPage({ query }: PageProps): JSX.Element {
  useTitle("Groups");
  const part = query.get("part") === "discover" ? "discover" : "yours";
  const list = useList<Connector>(
    (cursor, signal) => {
      const page = { limit: 20, ...(cursor && { cursor }) };
      return part === "yours" ? client.connectors.list({ ...page, joined: true }, { signal }) : client.connectors.discover(page, { signal });
    },
    [part],
  );
  return (
    <>
      <header class="page"><div><h1>Groups</h1></div><Link to="/new/group" class="button"><Icon name="plus" />New</Link></header>
      <Segments
        label="Which groups"
        value={part}
        options={[["yours", "Yours"], ["discover", "Discover"]]}
        onChange={(one) => navigate(one === "yours" ? "/groups" : "/groups?part=discover", { replace: true })}
      />
      <ListView
        list={list}
        label="Groups"
        row={(connector) => <li class="card" key={connector.id}><ConnectorCard connector={connector} /></li>}
        empty={
          part === "yours" ? (
            <Empty icon="people" title="You are in no group yet"><Link to="/groups?part=discover" class="button">Discover groups</Link></Empty>
          ) : (
            <Empty icon="people" title="Nothing to discover for now"><Link to="/new/group" class="button">Start a group</Link></Empty>
          )
        }
      />
    </>
  );
}

/** Groups of the person, as choices of a form: those in which they may write posts, or all. */
export function useOwnGroups(use: "posts" | "all"): { options: Option[]; error: unknown; isLoading: boolean; reload: () => void } {
  const { data, error, reload } = useLoad((signal) => client.connectors.list({ joined: true, limit: 100 }, { signal }), []);
  const own = data?.items.filter(({ role, settings }) => use === "all" || settings.posting !== "moderators" || role !== "member") ?? [];
  return { options: own.map(({ id, name }) => [id, name]), error, isLoading: !data && !error, reload };
}

const POLICIES: Option[] = [["open", "Anybody may join"], ["approval", "A moderator decides"], ["invitation", "By invitation only"]];
const POSTING: Option[] = [["members", "All members"], ["moderators", "Moderators only"]];

function GroupFields({ field, pictures, categories }: { field: FieldSource; pictures: Uploads; categories: string[] }): JSX.Element {
  return (
    <>
      <Field label="Name" required {...field("name")} />
      <Field label="Category" required suggestions={categories} hint="Such as gardening, sports, parents" {...field("category")} />
      <Field label="Description" rows={4} {...field("description")} />
      <PicturesField uploads={pictures} label="Picture" most={1} errors={field("media_id").errors} />
      <Field label="Rules" rows={3} {...field("rules")} />
      <Field label="Who may join" options={POLICIES} {...field("join_policy")} />
      <Field label="Who may write" options={POSTING} {...field("posting")} />
      <Check label="Public" hint="Others see the group and what is written in it" name="is_public" value={field("is_public").value} />
    </>
  );
}

function useCategories(): string[] {
  const { data } = useLoad((signal) => client.connectors.listConnectorCategories({ signal }), []);
  return data?.items.map(({ category }) => category) ?? [];
}

const settingsOf = (posting: string | undefined) => ({ posting: posting === "moderators" ? ("moderators" as const) : ("members" as const) });

export function NewGroupPage(): JSX.Element {
  useTitle("New group");
  const pictures = useUploads();
  const categories = useCategories();
  const create = async (values: Values, idempotencyKey: string): Promise<void> => {
    const [media_id] = await pictures.ids();
    const made = await client.connectors.create(
      {
        name: values["name"] ?? "",
        category: values["category"] ?? "",
        description: orNull(values["description"]),
        rules: orNull(values["rules"]),
        join_policy: (values["join_policy"] ?? "open") as ConnectorDetail["join_policy"],
        is_public: values["is_public"] === "on",
        settings: settingsOf(values["posting"]),
        ...(media_id && { media_id }),
      },
      { idempotencyKey },
    );
    forgetLists();
    navigate(`/connectors/${made.id}`);
  };
  return (
    <>
      <BackLink to="/groups">Groups</BackLink>
      <h1>New group</h1>
      <Form action="Start the group" icon="check" submit={create} draft="group" initial={{ is_public: "on" }}>
        {(field) => <GroupFields field={field} pictures={pictures} categories={categories} />}
      </Form>
    </>
  );
}

export function EditGroupPage({ id }: PageProps): JSX.Element {
  const { data: connector, error, reload } = useLoad((signal) => client.connectors.get(id, { signal }), [id]);
  useTitle("Edit group");
  return (
    <>
      <BackLink to={`/connectors/${id}`}>Group</BackLink>
      <h1>Edit group</h1>
      {Boolean(error) && <ErrorBox error={error} retry={reload} />}
      {connector && <EditGroup connector={connector} />}
    </>
  );
}

function EditGroup({ connector: { id, media } }: { connector: ConnectorDetail }): JSX.Element {
  const pictures = useUploads(media ? [media] : []);
  const categories = useCategories();
  return (
    <EditForm
      action="Save"
      icon="check"
      load={(options) => client.connectors.get(id, options)}
      values={(one) => ({
        name: one.name,
        category: one.category,
        description: one.description ?? "",
        rules: one.rules ?? "",
        join_policy: one.join_policy,
        posting: one.settings.posting ?? "members",
        is_public: one.is_public ? "on" : "",
      })}
      save={async ({ is_public, join_policy, posting, description, rules, ...texts }, options) => {
        const [media_id] = await pictures.ids();
        await client.connectors.change(
          id,
          {
            ...texts,
            ...(description !== undefined && { description: orNull(description) }),
            ...(rules !== undefined && { rules: orNull(rules) }),
            ...(join_policy && { join_policy: join_policy as ConnectorDetail["join_policy"] }),
            ...(is_public !== undefined && { is_public: is_public === "on" }),
            ...(posting && { settings: settingsOf(posting) }),
            ...(pictures.isChanged && { media_id: media_id ?? null }),
          },
          options,
        );
        navigate(`/connectors/${id}`);
      }}
      onCancel={() => navigate(`/connectors/${id}`)}
    >
      {(field) => <GroupFields field={field} pictures={pictures} categories={categories} />}
    </EditForm>
  );
}

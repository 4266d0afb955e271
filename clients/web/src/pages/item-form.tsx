import type { Item } from "@neighborconnect/client";
import type { JSX } from "preact";
import { client } from "../api.ts";
import { forgetLists, useLoad } from "../data.ts";
import { EditForm, type FieldSource, Form, orNull, type Values } from "../form.tsx";
import { navigate, type PageProps } from "../router.tsx";
import { useTitle } from "../title.ts";
import { BackLink, ErrorBox, Field, type Option } from "../ui.tsx";
import { PicturesField, type Uploads, useUploads } from "../uploads.tsx";
import { useOwnGroups } from "./groups.tsx";
import { NeedsGroup } from "./post-form.tsx";

const CONDITIONS: Option[] = [["", "Not stated"], ["new", "New"], ["like_new", "Like new"], ["good", "Good"], ["fair", "Fair"], ["for_parts", "For parts"]];
const CURRENCIES = ["USD", "EUR", "GBP", "CAD", "MXN"];

type Condition = NonNullable<Item["condition"]>;

function ItemFields({ field, pictures }: { field: FieldSource; pictures: Uploads }): JSX.Element {
  const { data: categories } = useLoad((signal) => client.marketplace.listItemCategories({ signal }), []);
  const currency = field("currency");
  return (
    <>
      <Field label="Title" required {...field("title")} />
      <div class="pair">
        <Field label="Price" type="number" min="0" step="0.01" required hint="0 gives it away." {...field("price")} />
        <Field label="Currency" options={[...new Set([...CURRENCIES, ...(currency.value && [currency.value])])].map((one) => [one, one])} {...currency} />
      </div>
      <div class="pair">
        <Field label="Category" required suggestions={categories?.items.map(({ category }) => category) ?? []} {...field("category")} />
        <Field label="Condition" options={CONDITIONS} {...field("condition")} />
      </div>
      <PicturesField uploads={pictures} errors={field("media_ids").errors} />
      <Field label="Description" rows={5} {...field("description")} />
    </>
  );
}

export function NewItemPage({ query }: PageProps): JSX.Element {
  useTitle("New offer");
  const groups = useOwnGroups("all");
  const group = query.get("group") ?? "";
  const pictures = useUploads();
  const create = async (values: Values, idempotencyKey: string): Promise<void> => {
    const made = await client.marketplace.createItem(
      {
        connector_id: values["connector_id"] ?? "",
        title: values["title"] ?? "",
        price: values["price"] ?? "",
        currency: values["currency"] ?? "USD",
        category: values["category"] ?? "",
        condition: (values["condition"] || null) as Condition | null,
        description: orNull(values["description"]),
        media_ids: await pictures.ids(),
      },
      { idempotencyKey },
    );
    forgetLists();
    navigate(`/market/${made.id}`);
  };
  return (
    <>
      <BackLink to="/market">Marketplace</BackLink>
      <h1>New offer</h1>
      <NeedsGroup groups={groups}>
        <Form action="Offer it" icon="tag" submit={create} draft={`item ${group}`} initial={{ connector_id: group }}>
          {(field) => (
            <>
              <Field label="Group" options={groups.options} {...field("connector_id")} />
              <ItemFields field={field} pictures={pictures} />
            </>
          )}
        </Form>
      </NeedsGroup>
    </>
  );
}

export function EditItemPage({ id }: PageProps): JSX.Element {
  const { data: item, error, reload } = useLoad((signal) => client.marketplace.getItem(id, { signal }), [id]);
  useTitle("Edit offer");
  return (
    <>
      <BackLink to={`/market/${id}`}>Offer</BackLink>
      <h1>Edit offer</h1>
      {Boolean(error) && <ErrorBox error={error} retry={reload} />}
      {item && <EditItem item={item} />}
    </>
  );
}

function EditItem({ item: { id, media } }: { item: Item }): JSX.Element {
  const pictures = useUploads(media);
  const back = (): void => navigate(`/market/${id}`);
  return (
    <EditForm
      action="Save"
      icon="check"
      load={(options) => client.marketplace.getItem(id, options)}
      values={({ title, price, currency, category, condition, description }) => ({ title, price, currency, category, condition: condition ?? "", description: description ?? "" })}
      save={async ({ condition, description, ...texts }, options) => {
        await client.marketplace.changeItem(
          id,
          {
            ...texts,
            ...(condition !== undefined && { condition: (condition || null) as Condition | null }),
            ...(description !== undefined && { description: orNull(description) }),
            ...(pictures.isChanged && { media_ids: await pictures.ids() }),
          },
          options,
        );
        back();
      }}
      onCancel={back}
    >
      {(field) => <ItemFields field={field} pictures={pictures} />}
    </EditForm>
  );
}

import type { Post } from "@neighborconnect/client";
import type { JSX } from "preact";
import { client } from "../api.ts";
import { forgetLists, useLoad } from "../data.ts";
import { EditForm, type FieldSource, Form, orNull, type Values } from "../form.tsx";
import { Link, navigate, type PageProps } from "../router.tsx";
import { useTitle } from "../title.ts";
import { BackLink, Empty, ErrorBox, Field, Skeleton } from "../ui.tsx";
import { PicturesField, type Uploads, useUploads } from "../uploads.tsx";
import { useOwnGroups } from "./groups.tsx";

function PostFields({ field, pictures }: { field: FieldSource; pictures: Uploads }): JSX.Element {
  return (
    <>
      <Field label="Title" {...field("title")} />
      <Field label="Text" rows={6} required {...field("content")} />
      <PicturesField uploads={pictures} errors={field("media_ids").errors} />
    </>
  );
}

/** What is shown while the groups of a person are loaded, and to somebody who is in none. */
export function NeedsGroup({ groups, children }: { groups: ReturnType<typeof useOwnGroups>; children: JSX.Element }): JSX.Element {
  if (groups.error) return <ErrorBox error={groups.error} retry={groups.reload} />;
  if (groups.isLoading) return <Skeleton rows={2} />;
  if (groups.options.length) return children;
  return (
    <Empty icon="people" title="Join a group first">
      <p>What you write, plan and offer belongs to a group.</p>
      <Link to="/groups?part=discover" class="button primary">Discover groups</Link>
    </Empty>
  );
}

export function NewPostPage({ query }: PageProps): JSX.Element {
  useTitle("New post");
  const groups = useOwnGroups("posts");
  const group = query.get("group") ?? "";
  const pictures = useUploads();
  const create = async ({ connector_id = "", title, content = "" }: Values, idempotencyKey: string): Promise<void> => {
    const made = await client.posts.create({ connector_id, title: orNull(title), content, media_ids: await pictures.ids() }, { idempotencyKey });
    forgetLists();
    navigate(`/posts/${made.id}`);
  };
  return (
    <>
      <BackLink />
      <h1>New post</h1>
      <NeedsGroup groups={groups}>
        <Form action="Post" icon="send" submit={create} draft={`post ${group}`} initial={{ connector_id: group }}>
          {(field) => (
            <>
              <Field label="Group" options={groups.options} {...field("connector_id")} />
              <PostFields field={field} pictures={pictures} />
            </>
          )}
        </Form>
      </NeedsGroup>
    </>
  );
}

export function EditPostPage({ id }: PageProps): JSX.Element {
  const { data: post, error, reload } = useLoad((signal) => client.posts.get(id, { signal }), [id]);
  useTitle("Edit post");
  return (
    <>
      <BackLink to={`/posts/${id}`}>Post</BackLink>
      <h1>Edit post</h1>
      {Boolean(error) && <ErrorBox error={error} retry={reload} />}
      {post && <EditPost post={post} />}
    </>
  );
}

function EditPost({ post: { id, media } }: { post: Post }): JSX.Element {
  const pictures = useUploads(media);
  const back = (): void => navigate(`/posts/${id}`);
  return (
    <EditForm
      action="Save"
      icon="check"
      load={(options) => client.posts.get(id, options)}
      values={({ title, content }) => ({ title: title ?? "", content })}
      save={async ({ title, content }, options, post) => {
        // PUT replaces all fields, so those that the person left alone are sent as they are now.
        await client.posts.replace(
          id,
          { title: title === undefined ? post.title : orNull(title), content: content ?? post.content, media_ids: pictures.isChanged ? await pictures.ids() : post.media_ids ?? [] },
          options,
        );
        back();
      }}
      onCancel={back}
    >
      {(field) => <PostFields field={field} pictures={pictures} />}
    </EditForm>
  );
}

import type { Comment, Post } from "@neighborconnect/client";
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { client } from "../api.ts";
import { Byline, PostCard } from "../cards.tsx";
import { forgetLists, useList, useLoad } from "../data.ts";
import { Form } from "../form.tsx";
import { ago, count, moment } from "../format.ts";
import { navigate, type PageProps } from "../router.tsx";
import { useUser } from "../session.tsx";
import { useTitle } from "../title.ts";
import { attempt, BackLink, Confirm, Empty, ErrorBox, Field, Icon, ListView, Menu, type MenuEntry, Skeleton, toast } from "../ui.tsx";
import { ReportDialog } from "./report.tsx";

export function PostPage({ id }: PageProps): JSX.Element {
  const { data: post, error, reload } = useLoad((signal) => client.posts.get(id, { signal }), [id]);
  useTitle(post ? (post.title ?? post.content.slice(0, 60)) : "Post");
  if (error) return <><BackLink /><ErrorBox error={error} retry={reload} /></>;
  if (!post) return <Skeleton rows={2} />;
  return (
    <>
      <div class="split"><BackLink /><PostMenu post={post} /></div>
      <article class="card whole"><PostCard post={post} isWhole /></article>
      <Comments postId={id} />
    </>
  );
}

function PostMenu({ post }: { post: Post }): JSX.Element {
  const user = useUser();
  const [open, setOpen] = useState<"delete" | "report">();
  const own: MenuEntry[] = [
    { label: "Edit", icon: "edit", run: () => navigate(`/posts/${post.id}/edit`) },
    { label: "Delete", icon: "trash", run: () => setOpen("delete") },
  ];
  return (
    <>
      <Menu label="Actions on this post" entries={post.author.id === user.id ? own : [{ label: "Report", icon: "flag", run: () => setOpen("report") }]} />
      {open === "delete" && (
        <Confirm
          title="Delete this post?"
          action="Delete"
          onClose={() => setOpen(undefined)}
          run={async () => {
            await client.posts.delete(post.id);
            forgetLists();
            toast("The post is deleted.");
            navigate(`/connectors/${post.connector_id}`, { replace: true });
          }}
        >
          <p>It disappears for everybody, with its comments.</p>
        </Confirm>
      )}
      {open === "report" && <ReportDialog kind="post" id={post.id} onClose={() => setOpen(undefined)} />}
    </>
  );
}

/** Comments with their replies below them, at one level. */
function threads(comments: Comment[]): Comment[] {
  const byId = new Map(comments.map((one) => [one.id, one]));
  const rootOf = (one: Comment): string => {
    const parent = one.parent_id ? byId.get(one.parent_id) : undefined;
    return parent ? rootOf(parent) : one.id;
  };
  const groups = new Map<string, Comment[]>();
  for (const one of comments) {
    const root = rootOf(one);
    groups.set(root, [...(groups.get(root) ?? []), one]);
  }
  return [...groups.values()].flat();
}

function Comments({ postId }: { postId: string }): JSX.Element {
  const list = useList<Comment>(
    (cursor, signal) => client.posts.listComments(postId, { limit: 30, ...(cursor && { cursor }) }, { signal }),
    [postId],
  );
  const [replyTo, setReplyTo] = useState<string>();
  const write = async (content: string, idempotencyKey: string, parent?: string): Promise<void> => {
    const comment = await client.posts.createComment(postId, { content, ...(parent && { parent_id: parent }) }, { idempotencyKey });
    list.change((items) => [...items, comment]);
    setReplyTo(undefined);
  };
  return (
    <section aria-labelledby="comments">
      <h2 id="comments">Comments</h2>
      <ListView
        list={{ ...list, items: threads(list.items) }}
        label="Comments"
        compact
        row={(comment) => (
          <CommentRow
            key={comment.id}
            comment={comment}
            isReply={comment.parent_id !== null}
            onReply={() => setReplyTo(replyTo === comment.id ? undefined : comment.id)}
            onChange={(changed) => list.change((items) => (changed ? items.map((one) => (one.id === changed.id ? changed : one)) : items.filter(({ id }) => id !== comment.id)))}
          >
            {replyTo === comment.id && (
              <Form
                class="composer"
                action="Reply"
                icon="send"
                label={`Reply to ${comment.author.display_name}`}
                draft={`reply ${comment.id}`}
                onCancel={() => setReplyTo(undefined)}
                submit={({ content = "" }, key) => write(content, key, comment.id)}
              >
                {(field) => <Field label="Your reply" rows={2} required {...field("content")} />}
              </Form>
            )}
          </CommentRow>
        )}
        empty={<Empty icon="comment" title="No comments yet"><p>Yours can be the first.</p></Empty>}
      />
      <Form class="card composer" action="Comment" icon="send" repeats draft={`comment ${postId}`} submit={({ content = "" }, key) => write(content, key)}>
        {(field) => <Field label="Add a comment" rows={3} required {...field("content")} />}
      </Form>
    </section>
  );
}

interface CommentRowProps {
  comment: Comment;
  isReply: boolean;
  onReply: () => void;
  /** The comment was changed, or deleted where nothing is given. */
  onChange: (comment?: Comment) => void;
  children: JSX.Element | false;
}

function CommentRow({ comment, isReply, onReply, onChange, children }: CommentRowProps): JSX.Element {
  const user = useUser();
  const [like, setLike] = useState({ liked: comment.liked, like_count: comment.like_count });
  const [open, setOpen] = useState<"edit" | "delete" | "report">();
  const { post_id, id } = comment;
  const toggle = (): Promise<boolean> =>
    attempt(async () => {
      const { liked, like_count } = await (like.liked ? client.posts.unlikeComment(post_id, id) : client.posts.likeComment(post_id, id));
      setLike({ liked, like_count });
    });
  const own: MenuEntry[] = [
    { label: "Edit", icon: "edit", run: () => setOpen("edit") },
    { label: "Delete", icon: "trash", run: () => setOpen("delete") },
  ];
  const close = (): void => setOpen(undefined);
  return (
    <li class={`comment ${isReply ? "reply" : ""}`}>
      <div class="split">
        <Byline person={comment.author}>
          <time dateTime={comment.created_at} title={moment(comment.created_at)}>{ago(comment.created_at)}</time>
        </Byline>
        <Menu
          label={`Actions on the comment of ${comment.author.display_name}`}
          entries={comment.author.id === user.id ? own : [{ label: "Report", icon: "flag", run: () => setOpen("report") }]}
        />
      </div>
      {open === "edit" ? (
        <Form
          class="composer"
          action="Save"
          icon="check"
          label="Edit your comment"
          initial={{ content: comment.content }}
          onCancel={close}
          submit={async ({ content = "" }, idempotencyKey) => {
            const changed = await client.posts.replaceComment(post_id, id, { content, media_ids: comment.media_ids ?? [] }, { idempotencyKey });
            close();
            onChange(changed);
          }}
        >
          {(field) => <Field label="Your comment" rows={3} required {...field("content")} />}
        </Form>
      ) : (
        <p class="content">{comment.content}</p>
      )}
      <div class="actions">
        <button type="button" class="action like" aria-pressed={like.liked} aria-label={`Like this comment, ${count(like.like_count, "like")} so far`} onClick={() => void toggle()}>
          <Icon name="heart" filled={like.liked} />
          <span>{like.like_count}</span>
        </button>
        <button type="button" class="action" aria-label={`Reply to ${comment.author.display_name}`} onClick={onReply}><Icon name="reply" />Reply</button>
      </div>
      {children}
      {open === "delete" && (
        <Confirm
          title="Delete your comment?"
          action="Delete"
          onClose={close}
          run={async () => {
            await client.posts.deleteComment(post_id, id);
            onChange();
          }}
        >
          <p class="content clamped two quoted">{comment.content}</p>
        </Confirm>
      )}
      {open === "report" && <ReportDialog kind="comment" id={id} onClose={close} />}
    </li>
  );
}

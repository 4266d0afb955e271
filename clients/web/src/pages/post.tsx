import type { Comment } from "@neighborconnect/client";
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { client, problemText, type ProblemText } from "../api.ts";
import { Byline, PostCard } from "../cards.tsx";
import { useList, useLoad } from "../data.ts";
import { ago, count, moment } from "../format.ts";
import type { PageProps } from "../router.tsx";
import { useTitle } from "../title.ts";
import { attempt, BackLink, Button, Empty, ErrorBox, Field, Icon, ListView, Skeleton } from "../ui.tsx";

export function PostPage({ id }: PageProps): JSX.Element {
  const { data: post, error, reload } = useLoad((signal) => client.posts.get(id, { signal }), [id]);
  useTitle(post ? (post.title ?? post.content.slice(0, 60)) : "Post");
  if (error) return <><BackLink /><ErrorBox error={error} retry={reload} /></>;
  if (!post) return <Skeleton rows={2} />;
  return (
    <>
      <BackLink />
      <article class="card whole"><PostCard post={post} isWhole /></article>
      <Comments postId={id} />
    </>
  );
}

function Comments({ postId }: { postId: string }): JSX.Element {
  const [problem, setProblem] = useState<ProblemText>();
  const [attempts, setAttempts] = useState(0);
  const list = useList<Comment>(
    (cursor, signal) => client.posts.listComments(postId, { limit: 30, ...(cursor && { cursor }) }, { signal }),
    [postId],
  );
  const send = async (event: SubmitEvent): Promise<void> => {
    event.preventDefault();
    const form = new FormData(event.currentTarget as HTMLFormElement);
    try {
      const comment = await client.posts.createComment(postId, { content: String(form.get("content") ?? "") });
      setProblem(undefined);
      setAttempts((before) => before + 1);
      list.change((items) => [...items, comment]);
    } catch (error) {
      setProblem(problemText(error));
    }
  };
  return (
    <section aria-labelledby="comments">
      <h2 id="comments">Comments</h2>
      <ListView
        list={list}
        label="Comments"
        compact
        row={(comment) => <CommentRow key={comment.id} comment={comment} isReply={comment.parent_id !== null} />}
        empty={<Empty icon="comment" title="No comments yet"><p>Yours can be the first.</p></Empty>}
      />
      <form class="card composer" key={attempts} onSubmit={(event) => void send(event)}>
        {problem && <div class="notice error" role="alert"><strong>{problem.title}</strong><p>{problem.detail}</p></div>}
        <Field label="Add a comment" name="content" multiline required />
        <Button type="submit" kind="primary" icon="send">Comment</Button>
      </form>
    </section>
  );
}

function CommentRow({ comment, isReply }: { comment: Comment; isReply: boolean }): JSX.Element {
  const [like, setLike] = useState({ liked: comment.liked, like_count: comment.like_count });
  const toggle = (): Promise<boolean> =>
    attempt(async () => {
      const { post_id, id } = comment;
      const { liked, like_count } = await (like.liked ? client.posts.unlikeComment(post_id, id) : client.posts.likeComment(post_id, id));
      setLike({ liked, like_count });
    });
  return (
    <li class={`comment ${isReply ? "reply" : ""}`}>
      <Byline person={comment.author}>
        <time dateTime={comment.created_at} title={moment(comment.created_at)}>{ago(comment.created_at)}</time>
      </Byline>
      <p class="content">{comment.content}</p>
      <button type="button" class="action like" aria-pressed={like.liked} aria-label={`Like this comment, ${count(like.like_count, "like")} so far`} onClick={() => void toggle()}>
        <Icon name="heart" filled={like.liked} />
        <span>{like.like_count}</span>
      </button>
    </li>
  );
}

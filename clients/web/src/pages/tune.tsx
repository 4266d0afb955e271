import type { Feedback, PostFeed, PreferencesView } from "@neighborconnect/client";
import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import { client } from "../api.ts";
import { forgetLists, useList, useLoad } from "../data.ts";
import { ago, words } from "../format.ts";
import { Link } from "../router.tsx";
import { useTitle } from "../title.ts";
import { attempt, BackLink, Button, Empty, ErrorBox, ListView, Skeleton, toast } from "../ui.tsx";

const DIALS = [
  ["near", "Distance", "Far away", "Near home"],
  ["friends", "People", "Others", "Those you follow"],
  ["discovery", "Groups", "Your own", "New to you"],
  ["recency", "Time", "Older", "Newest"],
] as const;

type Dials = Pick<PreferencesView, (typeof DIALS)[number][0]>;

export function TunePage(): JSX.Element {
  useTitle("Tune your feed");
  const { data: preferences, error, reload } = useLoad((signal) => client.recommendations.getRecommendationPreferences({ signal }), []);
  return (
    <>
      <BackLink />
      <header class="page"><div><h1>Tune your feed</h1><p class="fine">Turn a dial and see the effect before you save it.</p></div></header>
      {Boolean(error) && <ErrorBox error={error} retry={reload} />}
      {preferences ? <DialsForm saved={preferences} /> : !error && <Skeleton rows={2} />}
      <FeedbackList />
    </>
  );
}

function DialsForm({ saved }: { saved: PreferencesView }): JSX.Element {
  const [before, setBefore] = useState<Dials>(saved);
  const [dials, setDials] = useState<Dials>(saved);
  const [preview, setPreview] = useState<{ now?: PostFeed; then?: PostFeed; error?: unknown }>({});
  const isChanged = DIALS.some(([name]) => dials[name] !== before[name]);
  const ask = ({ near, friends, discovery, recency }: Dials, signal: AbortSignal) =>
    client.recommendations.previewRecommendationPreferences({ near, friends, discovery, recency, limit: 6 }, { signal });

  useEffect(() => {
    const leaving = new AbortController();
    // A dial in motion asks once, when it rests.
    const timer = setTimeout(() => {
      void Promise.all([ask(before, leaving.signal), ask(dials, leaving.signal)]).then(
        ([now, then]) => setPreview({ now, then }),
        (error: unknown) => leaving.signal.aborted || setPreview({ error }),
      );
    }, 300);
    return () => {
      clearTimeout(timer);
      leaving.abort();
    };
  }, [dials, before]);

  const save = async (): Promise<void> => {
    const { near, friends, discovery, recency } = dials;
    await client.recommendations.changeRecommendationPreferences({ near, friends, discovery, recency });
    setBefore(dials);
    forgetLists();
    toast("Saved. Your next feed uses it.");
  };
  const places = new Map(preview.now?.items.map(({ post }, index) => [post.id, index]));
  return (
    <div class="columns">
      <section class="card" aria-label="Dials">
        {DIALS.map(([name, label, low, high]) => (
          <div class="dial" key={name}>
            <label for={name}>{label}</label>
            <input
              id={name}
              type="range"
              min="-1"
              max="1"
              step="0.25"
              value={dials[name]}
              aria-valuetext={dials[name] === 0 ? "Neutral" : `${dials[name] > 0 ? high : low}, ${Math.abs(dials[name]) * 100} %`}
              onInput={({ currentTarget }) => setDials({ ...dials, [name]: Number(currentTarget.value) })}
            />
            <div class="ends" aria-hidden="true"><span>{low}</span><span>{high}</span></div>
          </div>
        ))}
        <div class="buttons">
          <Button kind="primary" disabled={!isChanged} onClick={save}>Save</Button>
          <Button disabled={!isChanged} onClick={() => setDials(before)}>Discard</Button>
        </div>
      </section>
      <section class="card" aria-labelledby="preview">
        <h2 id="preview">Preview of posts</h2>
        {Boolean(preview.error) && <ErrorBox error={preview.error} />}
        {!preview.then && !preview.error && <Skeleton rows={1} />}
        <ol class="preview" aria-live="polite">
          {preview.then?.items.map(({ post, reason }, index) => {
            const place = places.get(post.id);
            const moved = place === undefined ? "new" : place > index ? "up" : place < index ? "down" : "same";
            return (
              <li key={post.id}>
                <span class={`moved ${moved}`}>{{ new: "New", up: "↑", down: "↓", same: "·" }[moved]}</span>
                <span><b class="clamped one">{post.title ?? post.content}</b><small>{post.connector_name} · {reason}</small></span>
              </li>
            );
          })}
        </ol>
      </section>
    </div>
  );
}

const SIGNALS = { more_like_this: "More like this", less_like_this: "Less like this", mute: "Muted" } as const;

function FeedbackList(): JSX.Element {
  const list = useList<Feedback>(
    (cursor, signal) => client.recommendations.listFeedback({ limit: 20, ...(cursor && { cursor }) }, { signal }),
    [],
  );
  const undo = async (one: Feedback): Promise<void> => {
    const isDone = await attempt(() => client.recommendations.undoFeedback(one.feedback_id));
    if (isDone) list.change((items) => items.filter(({ feedback_id }) => feedback_id !== one.feedback_id));
  };
  return (
    <section aria-labelledby="feedback">
      <h2 id="feedback">Your feedback</h2>
      <ListView
        list={list}
        label="Your feedback"
        compact
        row={(one) => (
          <li key={one.feedback_id} class="split">
            <span>
              <b class="clamped one">{one.title ?? words(one.category ?? one.kind)}</b>
              <small>{SIGNALS[one.signal]} · {words(one.kind)} · {ago(one.created_at)}</small>
            </span>
            <Button small onClick={() => undo(one)} label={`Undo: ${SIGNALS[one.signal]}, ${one.title ?? one.category ?? one.kind}`}>Undo</Button>
          </li>
        )}
        empty={<Empty icon="tune" title="No feedback yet"><p>The menu of each card says more, less, hide or mute. <Link to="/">Go to your feed</Link></p></Empty>}
      />
    </section>
  );
}

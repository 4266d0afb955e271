import type { JSX } from "preact";
import { client, isMissing } from "../api.ts";
import { useLoad } from "../data.ts";
import { moment, words } from "../format.ts";
import { Link } from "../router.tsx";
import { Dialog, ErrorBox, Icon } from "../ui.tsx";
import { type Entry, subject } from "./home.tsx";

const PATHS: Record<string, string> = {
  collaborative: "the model, from what you and neighbors with similar taste did",
  content: "the model, from your interests and the text",
  popular: "what many neighbors like",
  popular_nearby: "what neighbors near you like",
};
const SOURCES: Record<string, string> = {
  model: "ranked by the model",
  new: "new since the model was trained",
  popular: "popular nearby",
  older: "older entries",
  shown_before: "shown to you before",
  rules: "your groups, interests and follows",
};

export function WhyDialog({ entry: { item, requestId }, onClose }: { entry: Entry; onClose: () => void }): JSX.Element {
  const { id, title } = subject(item);
  const { data: decision, error } = useLoad((signal) => client.recommendations.explainFeed(requestId, { signal }), [requestId]);
  const decided = decision?.items.find(({ item_id }) => item_id === id);
  const part = decision?.parts.find(({ kind }) => kind === item.kind);
  const excluded = Object.entries(part?.excluded_counts ?? {}).filter(([, number]) => number > 0);
  return (
    <Dialog title="Why this?" onClose={onClose}>
      <p class="content clamped two quoted">{title}</p>
      <ul class="shares">
        {item.reasons.map((reason) => (
          <li key={reason.code}>
            <span>{reason.text}</span>
            <b>{Math.round(reason.share * 100)} %</b>
            <span class="bar" aria-hidden="true"><span style={{ width: `${Math.round(reason.share * 100)}%` }} /></span>
          </li>
        ))}
      </ul>
      {decided && (
        <dl class="facts">
          <dt>Chosen by</dt>
          <dd>{PATHS[decided.path] ?? words(decided.path)}</dd>
          <dt>Found among</dt>
          <dd>{decided.sources.map((source) => SOURCES[source] ?? words(source)).join(", ")}</dd>
          <dt>Place</dt>
          <dd>{decided.position + 1} of {decision?.items.length} on this page</dd>
          {excluded.length > 0 && (
            <>
              <dt>Left out</dt>
              <dd>{excluded.map(([name, number]) => `${number} ${words(name).toLowerCase()}`).join(", ")}</dd>
            </>
          )}
          {decision && <><dt>Decided</dt><dd>{moment(decision.answered_at)}</dd></>}
        </dl>
      )}
      {Boolean(error) &&
        (isMissing(error) ? <p class="fine">There is no record of this page: without your consent to tracking, none is stored.</p> : <ErrorBox error={error} />)}
      <p><Link to="/tune" class="button"><Icon name="tune" />Tune your feed</Link></p>
    </Dialog>
  );
}

import { ApiError, type CallOptions, NetworkError } from "@neighborconnect/client";
import type { ComponentChildren, JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { problemText, type ProblemText } from "./api.ts";
import { forgetLists, useLoad } from "./data.ts";
import { Button, ErrorBox, type IconName, Skeleton } from "./ui.tsx";

export type Values = Record<string, string>;
export type FieldSource = (name: string) => { name: string; value: string; errors: string[] | undefined };

const DRAFT = "draft ";

export function forgetDrafts(): void {
  for (const name of Object.keys(sessionStorage)) if (name.startsWith(DRAFT)) sessionStorage.removeItem(name);
}

/** Keep a text that was not sent, after what the next form with this draft has already. */
export function keepDraft(name: string, field: string, text: string): void {
  const kept = readDraft(name);
  sessionStorage.setItem(DRAFT + name, JSON.stringify({ ...kept, [field]: [kept[field], text].filter(Boolean).join(" ") }));
}

function readDraft(name: string | undefined): Values {
  return name ? (JSON.parse(sessionStorage.getItem(DRAFT + name) ?? "{}") as Values) : {};
}

function read(form: HTMLFormElement): Values {
  const values: Values = {};
  // Form data has no boxes that are not checked, and a draft must keep them so.
  for (const { name } of form.querySelectorAll<HTMLInputElement>("input[type=checkbox]")) values[name] = "";
  for (const [name, value] of new FormData(form)) if (typeof value === "string") values[name] = value;
  return values;
}

export function randomKey(): string {
  return crypto.getRandomValues(new Uint32Array(4)).join("-");
}

/** A text of a form, or null where it is empty. */
export function orNull(text: string | undefined): string | null {
  return text?.trim() || null;
}

interface FormProps {
  action: string;
  icon?: IconName;
  kind?: "primary" | "danger";
  /** Do it; `key` is the same for the same values, so that a repetition has no second effect. */
  submit: (values: Values, key: string) => Promise<unknown>;
  initial?: Values;
  /** Name under which the text is kept until it is sent, also when the page is loaded again. */
  draft?: string;
  class?: string;
  label?: string;
  /** Continue to write after it was sent. */
  repeats?: boolean;
  onCancel?: (() => void) | undefined;
  /** Errors of these names are shown by the fields themselves. */
  children: (field: FieldSource) => ComponentChildren;
}

/**
 * A form whose problems are next to its fields. Nothing is lost when it fails: what was written stays, and without a
 * connection it is sent when there is one.
 */
export function Form({ action, icon, kind = "primary", submit, initial = {}, draft, repeats, label, onCancel, children, ...rest }: FormProps): JSX.Element {
  const form = useRef<HTMLFormElement>(null);
  const [round, setRound] = useState(0);
  const [problem, setProblem] = useState<ProblemText>();
  const [isWaiting, setWaiting] = useState(false);
  const [isBusy, setBusy] = useState(false);
  const sending = useRef<{ text: string; key: string }>(undefined);
  const busy = useRef(false);
  const [kept, setKept] = useState(() => readDraft(draft));
  const placed = new Set<string>();

  const send = async (): Promise<void> => {
    if (busy.current || !form.current) return;
    const values = read(form.current);
    const text = JSON.stringify(values);
    if (sending.current?.text !== text) sending.current = { text, key: randomKey() };
    busy.current = true;
    setBusy(true);
    try {
      await submit(values, sending.current.key);
      sending.current = undefined;
      if (draft) sessionStorage.removeItem(DRAFT + draft);
      setProblem(undefined);
      setWaiting(false);
      setKept({});
      setRound((before) => before + 1);
    } catch (error) {
      setWaiting(error instanceof NetworkError);
      // What was changed elsewhere is explained by the form of the edit.
      const isExplained = error instanceof NetworkError || (error instanceof ApiError && error.status === 412);
      setProblem(isExplained ? undefined : problemText(error));
    } finally {
      busy.current = false;
      setBusy(false);
    }
  };
  // What is sent later is the form as it is then, with the pictures that it has then.
  const present = useRef(send);
  present.current = send;
  useEffect(() => {
    if (!isWaiting) return;
    const retry = () => void present.current();
    addEventListener("online", retry);
    return () => removeEventListener("online", retry);
  }, [isWaiting]);
  useEffect(() => {
    if (problem) form.current?.querySelector<HTMLElement>("[aria-invalid]")?.focus();
  }, [problem]);
  useEffect(() => {
    if (round && repeats) form.current?.querySelector<HTMLElement>("textarea, input")?.focus();
  }, [round]);

  const field: FieldSource = (name) => {
    placed.add(name);
    const errors = Object.entries(problem?.fields ?? {}).filter(([one]) => one === name || one.startsWith(`${name}.`)).flatMap(([, texts]) => texts);
    return { name, value: kept[name] ?? initial[name] ?? "", errors: errors.length ? errors : undefined };
  };
  const fields = children(field);
  const isPlaced = problem && Object.keys(problem.fields).length > 0 && Object.keys(problem.fields).every((name) => placed.has(name.split(".")[0] ?? ""));
  return (
    <form
      ref={form}
      class={rest.class ?? "card form"}
      aria-label={label}
      aria-busy={isBusy}
      noValidate
      onInput={({ currentTarget }) => draft && sessionStorage.setItem(DRAFT + draft, JSON.stringify(read(currentTarget)))}
      onSubmit={(event) => {
        event.preventDefault();
        void send();
      }}
    >
      {problem && (
        <div class="notice error" role="alert">
          <strong>{problem.title}</strong>
          {!isPlaced && problem.detail && problem.detail !== problem.title && <p>{problem.detail}</p>}
        </div>
      )}
      {isWaiting && <p class="notice waiting" role="status">No connection. This is kept, and sent as soon as there is one.</p>}
      <div class="fields" key={round}>{fields}</div>
      <div class="buttons">
        <Button type="submit" kind={kind} {...(icon && { icon })} disabled={isBusy}>{isBusy ? "One moment…" : action}</Button>
        {onCancel && <Button onClick={onCancel}>Cancel</Button>}
      </div>
    </form>
  );
}

interface EditProps<T> extends Omit<FormProps, "submit" | "initial" | "children" | "draft"> {
  load: (options: CallOptions) => Promise<T>;
  values: (data: T) => Values;
  /** Write the fields that the person changed. `ifMatch` refuses it if somebody else changed it since it was read. */
  save: (changed: Values, options: { ifMatch: string; idempotencyKey: string }, data: T) => Promise<unknown>;
  children: (field: FieldSource, data: T) => ComponentChildren;
}

interface Version<T> {
  data: T;
  tag: string;
}

/** A form for something that exists. Changes of others in the meantime are shown, and nothing of either is lost. */
export function EditForm<T>({ load, values, save, children, ...rest }: EditProps<T>): JSX.Element {
  const version = async (signal?: AbortSignal): Promise<Version<T>> => {
    let tag = "";
    const data = await load({ ...(signal && { signal }), onResponse: ({ headers }) => (tag = headers.get("ETag") ?? "") });
    return { data, tag };
  };
  const { data: first, error, reload } = useLoad(version, []);
  const present = useRef<Version<T>>(undefined);
  const [theirs, setTheirs] = useState<[name: string, label: string, value: string][]>();
  const root = useRef<HTMLDivElement>(null);
  const control = (name: string) => root.current?.querySelector<HTMLInputElement>(`[name="${name}"]`);
  const put = (name: string, value: string): void => {
    const input = control(name);
    if (input?.type === "checkbox") input.checked = value === "on";
    else if (input) input.value = value;
  };
  if (error) return <ErrorBox error={error} retry={reload} />;
  if (!first) return <Skeleton rows={2} />;
  const initial = values(first.data);
  const submit = async (given: Values, idempotencyKey: string): Promise<void> => {
    const changed: Values = {};
    for (const [name, before] of Object.entries(initial)) {
      const value = given[name] ?? "";
      if (value !== before) changed[name] = value;
    }
    const write = async (on: Version<T>): Promise<void> => {
      await save(changed, { ifMatch: on.tag, idempotencyKey }, on.data);
      setTheirs(undefined);
      forgetLists();
    };
    try {
      await write(present.current ??= first);
    } catch (failure) {
      if (!(failure instanceof ApiError && failure.status === 412)) throw failure;
      const next = (present.current = await version());
      const others: typeof theirs = [];
      for (const [name, value] of Object.entries(values(next.data))) {
        if (value === initial[name]) continue;
        if (name in changed) others.push([name, control(name)?.labels?.[0]?.firstChild?.textContent ?? name, value]);
        else put(name, value);
      }
      // Without a field that both changed there is nothing to decide, such as after a new picture of a profile.
      if (!others.length) return write(next);
      setTheirs(others);
      throw failure;
    }
  };
  return (
    <div ref={root} class="editing">
      {theirs && (
        <div class="notice changed" role="status">
          <strong>Changed elsewhere</strong>
          <p>Somebody, or you on another page, changed this while you were editing. Your text is still below; saving again keeps it.</p>
          {theirs.map(([name, label, value]) => (
            <div key={name} class="theirs">
              <p><b>{label} is now:</b> {value || "empty"}</p>
              <Button small onClick={() => { put(name, value); setTheirs(theirs.filter(([one]) => one !== name)); }}>Take this</Button>
            </div>
          ))}
        </div>
      )}
      <Form {...rest} submit={submit} initial={initial}>{(field) => children(field, first.data)}</Form>
    </div>
  );
}

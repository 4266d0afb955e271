import type { AttachedMedia, Person } from "@neighborconnect/client";
import type { ComponentChildren, JSX } from "preact";
import { useEffect, useId, useLayoutEffect, useRef, useState } from "preact/hooks";
import { isMissing, problemText } from "./api.ts";
import type { List } from "./data.ts";
import { href, Link } from "./router.tsx";

const PATHS = {
  home: "M3 11 12 3l9 8M5 9.5V21h5v-6h4v6h5V9.5",
  calendar: "M4 6h16v15H4zM4 10h16M8 3v5M16 3v5",
  tag: "M3 12V4h8l10 10-8 8zM7.5 8h.01",
  chat: "M4 5h16v11H9l-5 4z",
  person: "M12 12a4 4 0 1 0 0-8 4 4 0 0 0 0 8zM4 21c0-4 3.5-6 8-6s8 2 8 6",
  people: "M9 11a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7zM2.5 20c0-3.5 2.8-5.5 6.5-5.5s6.5 2 6.5 5.5M16 4.5a3.5 3.5 0 0 1 0 6.5M18 15c2.3.7 3.5 2.4 3.5 5",
  bell: "M6 16V11a6 6 0 1 1 12 0v5l2 2H4zM10 21h4",
  search: "M11 18a7 7 0 1 0 0-14 7 7 0 0 0 0 14zM16 16l5 5",
  heart: "M12 20.5C6 16.5 3 13 3 9.2A4.7 4.7 0 0 1 12 7.2a4.7 4.7 0 0 1 9 2c0 3.8-3 7.3-9 11.3z",
  comment: "M21 12a8 8 0 0 1-8 8H4l2-3.5A8 8 0 1 1 21 12z",
  bookmark: "M6 4h12v17l-6-4.5L6 21z",
  more: "M5 12h.01M12 12h.01M19 12h.01",
  plus: "M12 5v14M5 12h14",
  minus: "M5 12h14",
  hide: "M3 3l18 18M10.5 5.2A10 10 0 0 1 12 5c5 0 8.5 4 10 7a16 16 0 0 1-3 4M6.3 6.5A15 15 0 0 0 2 12c1.5 3 5 7 10 7 1.7 0 3.2-.45 4.5-1.1M9.9 9.9a3 3 0 0 0 4.2 4.2",
  mute: "M4 9v6h4l6 5V4L8 9zM17.5 9.5l5 5M22.5 9.5l-5 5",
  why: "M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18zM9.5 9.5a2.5 2.5 0 1 1 3.6 2.3c-.7.35-1.1.9-1.1 1.7v.5M12 17h.01",
  tune: "M4 7h9M17 7h3M4 17h3M11 17h9M15 9.5a2.5 2.5 0 1 0 0-5 2.5 2.5 0 0 0 0 5zM9 19.5a2.5 2.5 0 1 0 0-5 2.5 2.5 0 0 0 0 5z",
  spark: "M12 3l1.8 5.2L19 10l-5.2 1.8L12 17l-1.8-5.2L5 10l5.2-1.8zM19 16l.7 2.3L22 19l-2.3.7L19 22l-.7-2.3L16 19l2.3-.7z",
  place: "M12 21c-4.5-4.7-7-8-7-11a7 7 0 1 1 14 0c0 3-2.5 6.3-7 11zM12 12a2.2 2.2 0 1 0 0-4.4 2.2 2.2 0 0 0 0 4.4z",
  back: "M15 5l-7 7 7 7",
  close: "M6 6l12 12M18 6 6 18",
  check: "M5 12.5 10 17.5 19.5 7",
  out: "M14 4h5v16h-5M10 8l-4 4 4 4M6 12h10",
  refresh: "M20 6v5h-5M4 18v-5h5M19 11a7.5 7.5 0 0 0-13-3.5M5 13a7.5 7.5 0 0 0 13 3.5",
  send: "M4 12 21 4l-6 17-3.5-7z",
  edit: "M4 20h4L20 8l-4-4L4 16zM13.5 6.5l4 4",
  trash: "M4 7h16M9 7V4h6v3M6 7l1 13h10l1-13M10 11v5M14 11v5",
  picture: "M4 5h16v14H4zM4 16l5-5 4 4 3-3 4 4M15.5 9.5h.01",
  block: "M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18zM5.7 5.7l12.6 12.6",
  reply: "M9 7 4 12l5 5M4 12h10a6 6 0 0 1 6 6v1",
  flag: "M5 21V4h13l-3 5 3 5H5",
  shield: "M12 3l8 3v6c0 5-3.5 8-8 9-4.5-1-8-4-8-9V6z",
} as const;

export type IconName = keyof typeof PATHS;

export function Icon({ name, filled = false }: { name: IconName; filled?: boolean }): JSX.Element {
  return (
    <svg class={`icon ${filled ? "filled" : ""}`} viewBox="0 0 24 24" aria-hidden="true" focusable="false">
      <path d={PATHS[name]} />
    </svg>
  );
}

export function Logo(): JSX.Element {
  return <img class="logo" src={href("/icon.svg")} alt="" width="32" height="32" />;
}

/** The same hue for the same person or group, so that lists are easy to scan. */
export function hue(text: string): number {
  let sum = 0;
  for (const letter of text) sum = (sum * 31 + (letter.codePointAt(0) ?? 0)) % 360;
  return sum;
}

export function initials(name: string): string {
  const parts = name.trim().split(/\s+/);
  return ((parts[0]?.[0] ?? "") + (parts.length > 1 ? (parts.at(-1)?.[0] ?? "") : "")).toUpperCase();
}

export function Avatar({ name, url, size = "" }: { name: string; url?: string | null; size?: "" | "small" | "large" }): JSX.Element {
  const [isBroken, setBroken] = useState(false);
  return (
    <span class={`avatar ${size}`} style={{ "--hue": hue(name) }} data-initials={initials(name)} aria-hidden="true">
      {url && !isBroken && <img src={url} alt="" loading="lazy" onError={() => setBroken(true)} />}
    </span>
  );
}

export function PersonAvatar({ person, size = "" }: { person: Person; size?: "" | "small" | "large" }): JSX.Element {
  return <Avatar name={person.display_name} url={person.avatar_url} size={size} />;
}

export function Pictures({ media }: { media: AttachedMedia[] | undefined }): JSX.Element | null {
  const shown = (media ?? []).filter(({ state, url }) => state === "ready" && url);
  if (!shown.length) return null;
  return (
    <div class={`pictures of-${Math.min(shown.length, 4)}`}>
      {shown.slice(0, 4).map((one) =>
        one.kind === "video" ? (
          <video key={one.id} src={one.url ?? ""} controls preload="metadata" aria-label={one.alt_text ?? "Video"} />
        ) : (
          <img
            key={one.id}
            src={one.url ?? ""}
            alt={one.alt_text ?? "Picture"}
            width={one.width ?? undefined}
            height={one.height ?? undefined}
            loading="lazy"
            onError={({ currentTarget }) => (currentTarget.hidden = true)}
          />
        ),
      )}
    </div>
  );
}

interface ButtonProps {
  children: ComponentChildren;
  onClick?: () => unknown;
  kind?: "primary" | "quiet" | "danger" | "";
  type?: "button" | "submit";
  disabled?: boolean;
  icon?: IconName;
  pressed?: boolean;
  label?: string;
  small?: boolean;
}

/** A button that is busy while its promise runs. */
export function Button({ children, onClick, kind = "", type = "button", disabled, icon, pressed, label, small }: ButtonProps): JSX.Element {
  const [isBusy, setBusy] = useState(false);
  const run = async (): Promise<void> => {
    if (isBusy || !onClick) return;
    setBusy(true);
    try {
      await onClick();
    } catch (error) {
      toast(problemText(error).detail || problemText(error).title, "error");
    } finally {
      setBusy(false);
    }
  };
  return (
    <button
      type={type}
      class={`button ${kind} ${small ? "small" : ""}`}
      disabled={disabled}
      aria-busy={isBusy || undefined}
      aria-pressed={pressed}
      aria-label={label}
      onClick={type === "submit" ? undefined : () => void run()}
    >
      {icon && <Icon name={icon} />}
      {children}
    </button>
  );
}

export function ErrorBox({ error, retry }: { error: unknown; retry?: () => void }): JSX.Element {
  const { title, detail, requestId } = problemText(error);
  return (
    <div class="notice error" role="alert">
      <strong>{isMissing(error) ? "This is not here" : title}</strong>
      <p>{isMissing(error) ? "It was removed, or you may not see it." : detail}</p>
      {requestId && <p class="fine">Request {requestId}</p>}
      {retry && !isMissing(error) && <Button onClick={retry} icon="refresh">Try again</Button>}
    </div>
  );
}

export function Empty({ icon, title, children }: { icon: IconName; title: string; children?: ComponentChildren }): JSX.Element {
  return (
    <div class="empty">
      <span class="bubble"><Icon name={icon} /></span>
      <h2>{title}</h2>
      {children}
    </div>
  );
}

export function Skeleton({ rows = 3 }: { rows?: number }): JSX.Element {
  return (
    <div class="skeletons" role="status" aria-label="Loading">
      {Array.from({ length: rows }, (_, index) => (
        <div class="card skeleton" key={index}>
          <div class="line short" />
          <div class="line" />
          <div class="line" />
          <div class="line half" />
        </div>
      ))}
    </div>
  );
}

interface ListViewProps<T> {
  list: List<T>;
  row: (item: T, index: number) => JSX.Element;
  empty: JSX.Element;
  label: string;
  compact?: boolean;
}

/** A list with its states: loading, empty, failed, and a further page when its end comes near. */
export function ListView<T>({ list, row, empty, label, compact }: ListViewProps<T>): JSX.Element {
  const end = useRef<HTMLDivElement>(null);
  useEffect(() => {
    if (!end.current) return;
    const observer = new IntersectionObserver(
      ([one]) => one?.isIntersecting && !list.error && list.more(),
      { rootMargin: "600px" },
    );
    observer.observe(end.current);
    return () => observer.disconnect();
  });
  if (!list.items.length && list.isComplete && !list.isLoading && !list.error) return empty;
  return (
    <>
      <ul class={compact ? "rows" : "cards"} aria-label={label} aria-busy={list.isLoading}>
        {list.items.map((item, index) => row(item, index))}
      </ul>
      {list.isLoading && <Skeleton rows={list.items.length ? 1 : 4} />}
      {Boolean(list.error) && <ErrorBox error={list.error} retry={list.items.length ? list.more : list.reload} />}
      {!list.isComplete && !list.isLoading && !list.error && (
        <div ref={end} class="end"><Button onClick={list.more}>Show more</Button></div>
      )}
      {list.isComplete && list.items.length > 5 && <p class="end fine">You have seen everything here.</p>}
    </>
  );
}

export type Option = [value: string, label: string];

interface FieldProps {
  label: string;
  name: string;
  type?: "text" | "email" | "password" | "number" | "datetime-local";
  autocomplete?: string;
  hint?: ComponentChildren;
  errors?: string[] | undefined;
  required?: boolean;
  value?: string;
  /** Lines of a text; without it, the field has one line. */
  rows?: number;
  /** Choices of a list. */
  options?: Option[];
  /** Values that are offered next to free text. */
  suggestions?: string[];
  step?: string;
  min?: string;
}

export function Field({ label, name, type = "text", autocomplete, hint, errors, required, value, rows, options, suggestions, step, min }: FieldProps): JSX.Element {
  const id = useId();
  const note = `${id}-note`;
  const shared = {
    id,
    name,
    required: required ?? false,
    "aria-describedby": errors || hint ? note : undefined,
    "aria-invalid": errors ? true : undefined,
  };
  // A choice that is not offered must not become the first one unnoticed.
  const isOffered = !value || !options || options.some(([one]) => one === value);
  const chosen = isOffered ? value || (options?.[0]?.[0] ?? "") : "";
  return (
    <div class="field">
      <label for={id}>{label}{!required && type !== "password" && !options && <span class="fine"> optional</span>}</label>
      {options ? (
        <select {...shared}>
          {!isOffered && <option value="" selected>Choose one</option>}
          {options.map(([one, text]) => <option key={one} value={one} selected={one === chosen}>{text}</option>)}
        </select>
      ) : rows ? (
        <textarea rows={rows} defaultValue={value ?? ""} {...shared} />
      ) : (
        <input
          type={type as "text"}
          defaultValue={value ?? ""}
          autocomplete={autocomplete ?? "off"}
          list={suggestions && `${id}-list`}
          step={step}
          min={min}
          {...shared}
        />
      )}
      {suggestions && <datalist id={`${id}-list`}>{suggestions.map((one) => <option key={one} value={one} />)}</datalist>}
      {(errors || hint) && <p id={note} class={errors ? "fine wrong" : "fine"}>{errors ? errors.join(" ") : hint}</p>}
    </div>
  );
}

export function Check({ label, name, hint, value }: { label: string; name: string; hint?: string; value?: string }): JSX.Element {
  return (
    <label class="consent">
      <input type="checkbox" name={name} value="on" defaultChecked={value === "on"} />
      <span><b>{label}</b>{hint && <small>{hint}</small>}</span>
    </label>
  );
}

interface DialogProps {
  title: string;
  onClose: () => void;
  children: ComponentChildren;
}

export function Dialog({ title, onClose, children }: DialogProps): JSX.Element {
  const dialog = useRef<HTMLDialogElement>(null);
  const heading = useId();
  useEffect(() => {
    dialog.current?.showModal();
    return () => dialog.current?.close();
  }, []);
  return (
    <dialog
      ref={dialog}
      aria-labelledby={heading}
      onClose={onClose}
      onClick={({ target, currentTarget }) => target === currentTarget && currentTarget.close()}
    >
      <div class="dialog">
        <header>
          <h2 id={heading}>{title}</h2>
          <button type="button" class="round" aria-label="Close" onClick={() => dialog.current?.close()}>
            <Icon name="close" />
          </button>
        </header>
        {children}
      </div>
    </dialog>
  );
}

/** A question before something that cannot be undone. */
export function Confirm({ title, action, children, run, onClose }: {
  title: string;
  action: string;
  children: ComponentChildren;
  run: () => Promise<unknown>;
  onClose: () => void;
}): JSX.Element {
  return (
    <Dialog title={title} onClose={onClose}>
      {children}
      <div class="buttons">
        <Button kind="danger" onClick={async () => { await run(); onClose(); }}>{action}</Button>
        <Button onClick={onClose}>Keep it</Button>
      </div>
    </Dialog>
  );
}

export interface MenuEntry {
  label: string;
  hint?: string;
  icon: IconName;
  run: () => unknown;
}

/** A button that opens a list of actions. Escape and a click outside close it. */
export function Menu({ label, entries, icon = "more" }: { label: string; entries: MenuEntry[]; icon?: IconName }): JSX.Element {
  const [isOpen, setOpen] = useState(false);
  const root = useRef<HTMLDivElement>(null);
  const id = useId();
  useLayoutEffect(() => {
    if (!isOpen) return;
    root.current?.querySelector<HTMLElement>(":scope > ul button")?.focus();
    const leave = ({ target }: Event) => {
      if (!root.current?.contains(target as Node)) setOpen(false);
    };
    document.addEventListener("pointerdown", leave);
    document.addEventListener("focusin", leave);
    return () => {
      document.removeEventListener("pointerdown", leave);
      document.removeEventListener("focusin", leave);
    };
  }, [isOpen]);
  const onKeyDown = (event: KeyboardEvent): void => {
    const buttons = [...(root.current?.querySelectorAll<HTMLElement>(":scope > ul button") ?? [])];
    const at = buttons.indexOf(document.activeElement as HTMLElement);
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (event.key === "Escape" && isOpen) {
      setOpen(false);
      root.current?.querySelector<HTMLElement>("button")?.focus();
    } else if (step && isOpen) {
      event.preventDefault();
      buttons[(at + step + buttons.length) % buttons.length]?.focus();
    }
  };
  return (
    <div class="menu" ref={root} onKeyDown={onKeyDown}>
      <button type="button" class="round" aria-label={label} aria-expanded={isOpen} aria-controls={id} onClick={() => setOpen(!isOpen)}>
        <Icon name={icon} />
      </button>
      <ul id={id} hidden={!isOpen}>
        {entries.map((entry) => (
          <li key={entry.label}>
            <button
              type="button"
              onClick={() => {
                setOpen(false);
                root.current?.querySelector<HTMLElement>("button")?.focus();
                void attempt(async () => entry.run());
              }}
            >
              <Icon name={entry.icon} />
              <span>{entry.label}{entry.hint && <small>{entry.hint}</small>}</span>
            </button>
          </li>
        ))}
      </ul>
    </div>
  );
}

interface Toast {
  text: string;
  kind: "info" | "error";
}

let showToast: (toast: Toast) => void = () => undefined;

export function toast(text: string, kind: Toast["kind"] = "info"): void {
  showToast({ text, kind });
}

export function Toasts(): JSX.Element {
  const [present, setPresent] = useState<Toast>();
  useEffect(() => {
    showToast = setPresent;
  }, []);
  useEffect(() => {
    if (!present) return;
    const timer = setTimeout(() => setPresent(undefined), 5_000);
    return () => clearTimeout(timer);
  }, [present]);
  return (
    <div class="toasts" role="status" aria-live="polite">
      {present && <div class={`toast ${present.kind}`}>{present.text}</div>}
    </div>
  );
}

/** Do something that may fail; its problem is shown for a moment. */
export async function attempt(action: () => Promise<unknown>): Promise<boolean> {
  try {
    await action();
    return true;
  } catch (error) {
    const { title, detail } = problemText(error);
    toast(detail || title, "error");
    return false;
  }
}

export function BackLink({ to = "/", children = "Home" }: { to?: string; children?: ComponentChildren }): JSX.Element {
  return <Link to={to} class="back"><Icon name="back" />{children}</Link>;
}

export function Segments<T extends string>({ label, value, options, onChange }: {
  label: string;
  value: T;
  options: [T, string][];
  onChange: (value: T) => void;
}): JSX.Element {
  return (
    <div class="segments" role="group" aria-label={label}>
      {options.map(([option, text]) => (
        <button type="button" key={option} aria-pressed={option === value} onClick={() => onChange(option)}>{text}</button>
      ))}
    </div>
  );
}

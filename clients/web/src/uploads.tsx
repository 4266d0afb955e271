import { type AttachedMedia, NetworkError } from "@neighborconnect/client";
import type { JSX } from "preact";
import { useEffect, useId, useRef, useState } from "preact/hooks";
import { client, problemText } from "./api.ts";
import { Button, Icon } from "./ui.tsx";

interface Upload {
  key: string;
  name: string;
  preview: string | null;
  state: "sending" | "processing" | "ready" | "failed";
  /** Share that is sent. */
  sent: number;
  problem?: string;
  /** Not sent for want of a connection. */
  isLost?: boolean;
  file?: File;
  /** Id of the upload, as soon as the file is sent. */
  id: Promise<string>;
}

export interface Uploads {
  items: Upload[];
  add: (files: Iterable<File>) => void;
  remove: (key: string) => void;
  /** Show a picture before the others. */
  lead: (key: string) => void;
  retry: (key: string) => void;
  clear: () => void;
  /** The ids in their order, when all files are sent. */
  ids: () => Promise<string[]>;
  isChanged: boolean;
}

let count = 0;

function existing(media: AttachedMedia[]): Upload[] {
  return media.map((one) => ({
    key: one.id,
    name: one.alt_text ?? "Picture",
    preview: Object.values(one.thumbnails ?? {})[0] ?? one.url ?? null,
    state: "ready",
    sent: 1,
    id: Promise.resolve(one.id),
  }));
}

/** Pictures of a form, which are sent while the person writes. */
export function useUploads(media: AttachedMedia[] = []): Uploads {
  const [items, setItems] = useState(() => existing(media));
  const [isChanged, setChanged] = useState(false);
  const running = useRef(new Map<string, { leaving: AbortController; preview: string }>());
  /** Stop sending a file, and free its preview. */
  const drop = (key: string): void => {
    const one = running.current.get(key);
    one?.leaving.abort();
    if (one) URL.revokeObjectURL(one.preview);
    running.current.delete(key);
  };
  useEffect(() => () => [...running.current.keys()].forEach(drop), []);
  const change = (key: string, fields: Partial<Upload>) =>
    setItems((before) => before.map((one) => (one.key === key ? { ...one, ...fields } : one)));
  const send = (key: string, file: File): Promise<string> => {
    const signal = running.current.get(key)?.leaving.signal ?? AbortSignal.abort();
    const sending = client.media
      .uploadFile(file, { signal, waitUntilReady: false, onProgress: ({ sent, total }) => change(key, { sent: sent / total }) })
      .then(({ id }) => {
        change(key, { state: "processing" });
        client.media.waitUntilReady(id, { signal }).then(
          () => change(key, { state: "ready" }),
          (error: unknown) => signal.aborted || change(key, { state: "failed", problem: problemText(error).detail }),
        );
        return id;
      });
    sending.catch((error: unknown) => {
      const { title, detail } = problemText(error);
      if (!signal.aborted) change(key, { state: "failed", problem: detail || title, isLost: error instanceof NetworkError });
    });
    return sending;
  };
  const start = (key: string, file: File): Upload => {
    const preview = URL.createObjectURL(file);
    running.current.set(key, { leaving: new AbortController(), preview });
    return { key, name: file.name, preview, state: "sending", sent: 0, file, id: send(key, file) };
  };
  const again = (key: string, file: File): Promise<string> => {
    const id = send(key, file);
    change(key, { state: "sending", sent: 0, isLost: false, id });
    return id;
  };
  return {
    items,
    isChanged,
    add: (files) => {
      setChanged(true);
      const added = [...files].map((file) => start(`new ${(count += 1)}`, file));
      setItems((before) => [...before, ...added]);
    },
    remove: (key) => {
      setChanged(true);
      drop(key);
      setItems((before) => before.filter((one) => one.key !== key));
    },
    lead: (key) => {
      setChanged(true);
      setItems((before) => [...before.filter((one) => one.key === key), ...before.filter((one) => one.key !== key)]);
    },
    retry: (key) => {
      const file = items.find((one) => one.key === key)?.file;
      if (file) void again(key, file);
    },
    clear: () => {
      for (const { key } of items) drop(key);
      setItems([]);
    },
    ids: () => Promise.all(items.map(({ key, id, file, isLost }) => (isLost && file ? again(key, file) : id))),
  };
}

/** Pictures with their progress, and a button to choose more. */
export function PicturesField({ uploads, label = "Pictures", most = 10, errors }: {
  uploads: Uploads;
  label?: string;
  most?: number;
  errors?: string[] | undefined;
}): JSX.Element {
  const id = useId();
  const input = useRef<HTMLInputElement>(null);
  const { items } = uploads;
  return (
    <div class="field" role="group" aria-labelledby={id}>
      {/* A form with other pictures is another one for its idempotency key. */}
      <input type="hidden" name="pictures" value={items.map(({ key }) => key).join(" ")} />
      <span id={id} class="label">{label} <span class="fine">optional</span></span>
      {items.length > 0 && (
        <ul class="uploads">
          {items.map((one, index) => (
            <li key={one.key} class={one.state}>
              <span class="preview-picture">{one.preview ? <img src={one.preview} alt={one.name} /> : <Icon name="picture" />}</span>
              <span class="grow">
                <span class="clamped one">{one.name}</span>
                {one.state === "sending" && <progress value={one.sent} max={1} aria-label={`Sending ${one.name}`} />}
                <small role="status" class={one.state === "failed" ? "wrong" : ""}>
                  {{ sending: `${Math.round(one.sent * 100)} % sent`, processing: "Sent, being prepared", ready: index === 0 && items.length > 1 ? "Shown first" : "Ready", failed: one.problem ?? "Not sent" }[one.state]}
                </small>
              </span>
              {one.state === "failed" && one.file && <Button small onClick={() => uploads.retry(one.key)} label={`Send ${one.name} again`}>Again</Button>}
              {index > 0 && one.state !== "failed" && <Button small onClick={() => uploads.lead(one.key)} label={`Show ${one.name} first`}>First</Button>}
              <button type="button" class="round" aria-label={`Remove ${one.name}`} onClick={() => uploads.remove(one.key)}><Icon name="close" /></button>
            </li>
          ))}
        </ul>
      )}
      {items.length < most && (
        <>
          <input
            ref={input}
            type="file"
            accept="image/*"
            multiple={most > 1}
            hidden
            aria-label={label}
            onChange={({ currentTarget }) => {
              uploads.add([...(currentTarget.files ?? [])].slice(0, most - items.length));
              currentTarget.value = "";
            }}
          />
          <Button icon="picture" onClick={() => input.current?.click()}>{items.length ? "Add another" : most > 1 ? "Add pictures" : "Choose a picture"}</Button>
        </>
      )}
      {errors && <p class="fine wrong">{errors.join(" ")}</p>}
    </div>
  );
}

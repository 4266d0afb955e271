import { NetworkError, TimeoutError, UploadError } from "./errors.ts";
import type { operations } from "./generated/operations.ts";
import type { Media } from "./generated/schema.ts";
import { pause } from "./waiting.ts";

type Operations = Pick<ReturnType<typeof operations>, "media">;

export interface WaitOptions {
  signal?: AbortSignal;
  /** Milliseconds to wait for the processing at most. */
  timeout?: number;
}

export interface UploadOptions extends WaitOptions {
  /** Called with the bytes sent so far. Outside of browsers and React Native, only at the start and at the end. */
  onProgress?: (progress: { sent: number; total: number }) => void;
  /** Return when the file is processed, and not as soon as it is sent. Posts and messages may name it before. */
  waitUntilReady?: boolean;
}

/** Send a file directly to the object store. The id of the result is what posts, items and messages take. */
export async function uploadFile(
  { media }: Operations,
  file: Blob,
  options: UploadOptions & { fetch: typeof fetch },
): Promise<Media> {
  const { signal, onProgress, waitUntilReady: wait = true } = options;
  const call = signal ? { signal } : {};
  const { media: created, upload_url } = await media.createUpload({ size: file.size }, call);
  onProgress?.({ sent: 0, total: file.size });
  await put(upload_url, file, options);
  onProgress?.({ sent: file.size, total: file.size });
  const completed = await media.completeUpload(created.id, call);
  return wait ? waitUntilReady({ media }, completed.id, options) : completed;
}

/** Wait until an upload is processed. */
export async function waitUntilReady(
  { media }: Operations,
  id: string,
  { signal, timeout = 300_000 }: WaitOptions = {},
): Promise<Media> {
  const end = Date.now() + timeout;
  for (let wait = 300; ; wait = Math.min(wait * 1.5, 5_000)) {
    const upload = await media.get(id, signal ? { signal } : {});
    if (upload.state === "ready") return upload;
    if (upload.state === "failed") throw new UploadError(upload.reason ?? "The file cannot be read");
    if (Date.now() + wait > end) throw new TimeoutError(`Upload ${id} is still ${upload.state}`);
    await pause(wait, signal);
  }
}

async function put(url: string, file: Blob, { signal, onProgress, fetch: send }: UploadOptions & { fetch: typeof fetch }): Promise<void> {
  signal?.throwIfAborted();
  const status =
    typeof XMLHttpRequest === "undefined"
      ? (await send(url, { method: "PUT", body: file, ...(signal && { signal }) }).catch((error: unknown) => {
          signal?.throwIfAborted();
          throw new NetworkError("The file was not sent", { cause: error });
        })).status
      : await putWithProgress(url, file, { ...(signal && { signal }), ...(onProgress && { onProgress }) });
  if (status >= 300) throw new UploadError(`The object store answered ${status}`);
}

/** `fetch` does not report the progress of a request. */
function putWithProgress(url: string, file: Blob, { signal, onProgress }: UploadOptions): Promise<number> {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("PUT", url);
    request.upload.onprogress = ({ loaded }) => onProgress?.({ sent: loaded, total: file.size });
    request.onload = () => resolve(request.status);
    request.onerror = () => reject(new NetworkError("The file was not sent"));
    request.onabort = () => reject(signal?.reason);
    signal?.addEventListener("abort", () => request.abort(), { once: true });
    request.send(file);
  });
}

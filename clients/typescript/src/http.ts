import { decode } from "./decode.ts";
import { ApiError, isTemporary, NetworkError, TimeoutError } from "./errors.ts";
import type { Problem } from "./generated/schema.ts";
import { backoff, pause, randomId } from "./waiting.ts";

/** Options of one call. */
export interface CallOptions {
  /** Aborts the call, with its retries. */
  signal?: AbortSignal;
  /** Milliseconds for each attempt; overrides the client's. */
  timeout?: number;
  /** Further attempts after a temporary error; overrides the client's. */
  retries?: number;
  headers?: Record<string, string>;
  /** Key of a write, to repeat it later without a second effect. Without one, each call has its own. */
  idempotencyKey?: string;
  /** Write only if the resource still has this `ETag`; otherwise the API answers 412. */
  ifMatch?: string;
  /** Let the request outlive the page; its body has at most 64 KiB. */
  keepalive?: boolean;
  /** Called with each final response, before its body is read: its headers have the `ETag` and the rate limit. */
  onResponse?: (response: Response) => void;
}

/** A request as the generated methods describe it. */
export interface ApiRequest {
  method: string;
  path: string;
  query?: object | undefined;
  body?: unknown;
  form?: "multipart" | "urlencoded";
  /** The operation takes an `Idempotency-Key`. */
  key?: boolean;
  /** The operation takes the token of this device. */
  device?: boolean;
  /** The operation needs no session. */
  open?: boolean;
  /** The response starts a session. */
  login?: boolean;
}

export type Call = <Result>(request: ApiRequest, options?: CallOptions) => Promise<Result>;

/** What the session adds to requests. */
export interface Authentication {
  readonly credentials: RequestCredentials | undefined;
  headers(request: ApiRequest): Promise<Record<string, string>>;
  /** Renew what the API refused; true if the request should be sent again. */
  recover(sent: Headers, error: ApiError): Promise<boolean>;
  begin(answer: unknown): Promise<void>;
}

export interface HttpOptions {
  baseUrl: string;
  fetch?: typeof globalThis.fetch;
  timeout?: number;
  retries?: number;
  headers?: Record<string, string>;
}

/** Longest `Retry-After` that is waited for. */
const LONGEST_WAIT = 30_000;
const SAFE = ["GET", "HEAD", "OPTIONS"];

export function segment(parameter: unknown): string {
  return encodeURIComponent(String(parameter));
}

export function createCall(options: HttpOptions, authentication: () => Authentication): Call {
  const { timeout = 30_000, retries = 2, headers: common = {} } = options;
  const send = options.fetch ?? ((...args: Parameters<typeof fetch>) => globalThis.fetch(...args));
  const origin = options.baseUrl.replace(/\/+$/, "");

  return async function call<Result>(request: ApiRequest, own: CallOptions = {}): Promise<Result> {
    const key = request.key ? (own.idempotencyKey ?? randomId()) : undefined;
    const repeatable = SAFE.includes(request.method) || key !== undefined;
    let recovered = false;
    for (let attempt = 0; ; ) {
      let sent = new Headers();
      try {
        sent = await requestHeaders(request, own, key);
        const answer = await once(request, own, sent);
        if (request.login) await authentication().begin(answer);
        return answer as Result;
      } catch (error) {
        if (error instanceof ApiError && !recovered && !request.open && (await authentication().recover(sent, error))) {
          recovered = true;
          continue;
        }
        const wait = (error instanceof ApiError ? error.retryAfter : undefined) ?? backoff(attempt);
        if (!repeatable || !isTemporary(error) || attempt >= (own.retries ?? retries) || wait > LONGEST_WAIT) throw error;
        attempt += 1;
        // Clients that were refused together come back apart.
        await pause(wait + Math.random() * 100, own.signal);
      }
    }
  };

  async function requestHeaders(request: ApiRequest, own: CallOptions, key: string | undefined): Promise<Headers> {
    const headers = new Headers(common);
    for (const [name, value] of Object.entries(await authentication().headers(request))) headers.set(name, value);
    if (key) headers.set("Idempotency-Key", key);
    if (own.ifMatch) headers.set("If-Match", own.ifMatch);
    if (request.body !== undefined && !request.form) headers.set("Content-Type", "application/json");
    for (const [name, value] of Object.entries(own.headers ?? {})) headers.set(name, value);
    return headers;
  }

  async function once(request: ApiRequest, own: CallOptions, headers: Headers): Promise<unknown> {
    own.signal?.throwIfAborted();
    const aborting = new AbortController();
    const abort = () => aborting.abort();
    own.signal?.addEventListener("abort", abort);
    const timer = setTimeout(abort, own.timeout ?? timeout);
    let streams = false;
    try {
      const { credentials } = authentication();
      const response = await send(origin + request.path + search(request.query), {
        method: request.method,
        headers,
        body: encoded(request) ?? null,
        signal: aborting.signal,
        ...(credentials && { credentials }),
        ...(own.keepalive && { keepalive: true }),
      });
      if (!response.ok && response.status !== 304) throw new ApiError(response, await problemOf(response));
      own.onResponse?.(response);
      const answer = await decode(response);
      streams = answer instanceof ReadableStream;
      return answer;
    } catch (error) {
      if (error instanceof ApiError) throw error;
      own.signal?.throwIfAborted();
      const { method, path } = request;
      if (aborting.signal.aborted) throw new TimeoutError(`${method} ${path} took too long`, { cause: error });
      throw new NetworkError(`${method} ${path} got no response`, { cause: error });
    } finally {
      clearTimeout(timer);
      // The signal of a stream ends it while it is read.
      if (!streams) own.signal?.removeEventListener("abort", abort);
    }
  }
}

async function problemOf(response: Response): Promise<Problem | undefined> {
  const body = await decode(response);
  return typeof body === "object" && body !== null && "code" in body ? (body as Problem) : undefined;
}

function search(query: object | undefined): string {
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries(query ?? {})) {
    if (value === undefined || value === null) continue;
    for (const one of Array.isArray(value) ? value : [value]) parameters.append(name, String(one));
  }
  const text = parameters.toString();
  return text && `?${text}`;
}

function encoded({ body, form }: ApiRequest): BodyInit | undefined {
  if (body === undefined) return undefined;
  if (!form) return JSON.stringify(body);
  if (form === "urlencoded") return new URLSearchParams(body as Record<string, string>);
  const fields = new FormData();
  for (const [name, value] of Object.entries(body as Record<string, string | Blob>)) fields.append(name, value);
  return fields;
}

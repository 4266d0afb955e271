import type { ErrorCode } from "./generated/operations.ts";
import type { Problem } from "./generated/schema.ts";

export type { ErrorCode } from "./generated/operations.ts";

/** Base of all errors that the client throws, except those that you cause by aborting a call. */
export class NeighborConnectError extends Error {
  override name = "NeighborConnectError";
}

/** The API refused the request. */
export class ApiError extends NeighborConnectError {
  override name = "ApiError";
  readonly status: number;
  /** Stable code of the problem; undefined if the response is not the API's, as of a proxy. */
  readonly code: ErrorCode | (string & {}) | undefined;
  /** Messages by field, such as `{ title: ["This must have at most 200 characters"] }`. */
  readonly errors: Record<string, string[]> = {};
  readonly requestId: string | undefined;
  /** Milliseconds to wait before the next request, from `Retry-After`. */
  readonly retryAfter: number | undefined;
  readonly problem: Problem | undefined;

  constructor(response: Response, problem: Problem | undefined) {
    super(problem?.detail ?? `The API answered ${response.status}`);
    this.status = response.status;
    this.problem = problem;
    this.code = problem?.code;
    this.requestId = problem?.request_id ?? response.headers.get("X-Request-Id") ?? undefined;
    this.retryAfter = milliseconds(response.headers.get("Retry-After"));
    for (const { field, message } of problem?.errors ?? []) {
      (this.errors[field.replace(/^(body|query|path|header)\./, "")] ??= []).push(message);
    }
  }
}

/** No response arrived: no connection, or a broken one. */
export class NetworkError extends NeighborConnectError {
  override name = "NetworkError";
}

/** The response did not arrive in time. */
export class TimeoutError extends NeighborConnectError {
  override name = "TimeoutError";
}

/** The API could not read an uploaded file. */
export class UploadError extends NeighborConnectError {
  override name = "UploadError";
}

/** The chat socket closed, or the API refused a frame. */
export class ChatError extends NeighborConnectError {
  override name = "ChatError";
  readonly code: ErrorCode | (string & {}) | undefined;

  constructor(message: string, code?: string) {
    super(message);
    this.code = code;
  }
}

/** Whether the same request may succeed later. */
export function isTemporary(error: unknown): boolean {
  if (error instanceof NetworkError || error instanceof TimeoutError) return true;
  if (!(error instanceof ApiError)) return false;
  return [408, 429, 500, 502, 503, 504].includes(error.status) || error.code === "idempotency_key_in_use";
}

function milliseconds(retryAfter: string | null): number | undefined {
  if (!retryAfter) return undefined;
  const seconds = Number(retryAfter);
  const wait = Number.isNaN(seconds) ? Date.parse(retryAfter) - Date.now() : seconds * 1000;
  return Number.isNaN(wait) ? undefined : Math.max(0, wait);
}

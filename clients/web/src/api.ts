import { ApiError, createClient, NetworkError, TimeoutError } from "@neighborconnect/client";

/** The API serves this app, so its address is that of the page. */
export const client = createClient({ baseUrl: location.origin, session: "cookie" });

export interface DemoLogin {
  name: string;
  description: string;
  email: string;
  password: string;
}

/** Logins of the sample community; an installation without one has no such file. */
export async function demoLogins(): Promise<DemoLogin[]> {
  const response = await fetch(`${import.meta.env.BASE_URL}demo-logins.json`);
  return response.ok ? ((await response.json()) as { logins: DemoLogin[] }).logins : [];
}

export interface ProblemText {
  title: string;
  detail: string;
  fields: Record<string, string[]>;
  requestId?: string | undefined;
}

/** What to show about an error: the text of the problem if the API sent one. */
export function problemText(error: unknown): ProblemText {
  if (error instanceof ApiError) {
    const title = error.problem?.title ?? `The request failed (${error.status})`;
    const detail = error.problem?.detail ?? "";
    const fields = Object.values(error.errors).flat();
    return {
      title,
      detail: detail === title ? fields.join(" ") : detail || fields.join(" "),
      fields: error.errors,
      requestId: error.requestId,
    };
  }
  if (error instanceof NetworkError) {
    return { title: "No connection", detail: "Check your network, then try again.", fields: {} };
  }
  if (error instanceof TimeoutError) return { title: "No answer in time", detail: "Try again in a moment.", fields: {} };
  return { title: "This did not work", detail: error instanceof Error ? error.message : "", fields: {} };
}

export function isMissing(error: unknown): boolean {
  return error instanceof ApiError && error.status === 404;
}

import type { OwnUser } from "@neighborconnect/client";
import { type ComponentChildren, createContext, type JSX } from "preact";
import { useContext, useEffect, useState } from "preact/hooks";
import { client } from "./api.ts";
import { forgetLists } from "./data.ts";
import { forgetDrafts } from "./form.tsx";

export type SessionState =
  | { state: "loading" }
  | { state: "out" }
  | { state: "in"; user: OwnUser }
  /** The account is closed; the code of the receipt is shown once. */
  | { state: "closed"; code: string }
  | { state: "failed"; error: unknown };

const ERASED = "neighborconnect:erased";

/** Show the code of an erasure in place of the app, whose session has ended with the account. */
export function announceErasure(code: string): void {
  dispatchEvent(new CustomEvent(ERASED, { detail: code }));
}

const UserContext = createContext<OwnUser | null>(null);

const ReloadContext = createContext<() => Promise<void>>(async () => undefined);

/** Read the profile of the person again, after a change of it. */
export function useReloadUser(): () => Promise<void> {
  return useContext(ReloadContext);
}

export function UserProvider({ user, reload, children }: { user: OwnUser; reload: () => Promise<void>; children: ComponentChildren }): JSX.Element {
  return (
    <ReloadContext.Provider value={reload}>
      <UserContext.Provider value={user}>{children}</UserContext.Provider>
    </ReloadContext.Provider>
  );
}

export function useUser(): OwnUser {
  const user = useContext(UserContext);
  if (!user) throw new Error("This needs a session");
  return user;
}

/** The session of the browser, which all tabs share. */
export function useSession(): { session: SessionState; retry: () => void; reloadUser: () => Promise<void> } {
  const [session, setSession] = useState<SessionState>({ state: "loading" });
  const [attempt, setAttempt] = useState(0);
  useEffect(() => {
    let isLeft = false;
    const show = (next: SessionState) => void (isLeft || setSession(next));
    const load = async (userId: string | undefined): Promise<void> => {
      if (!userId) return show({ state: "out" });
      show({ state: "in", user: await client.users.getProfile() });
    };
    const fail = (error: unknown) => show({ state: "failed", error });
    client.auth.session().then((present) => load(present?.userId)).catch(fail);
    const stop = client.auth.onAuthStateChange((event, present) => {
      if (event === "initial" || event === "refreshed") return;
      forgetLists();
      if (event !== "logged_in") forgetDrafts();
      load(present?.userId).catch(fail);
    });
    const close = ({ detail }: Event & { detail?: string }) => {
      show({ state: "closed", code: detail ?? "" });
      isLeft = true;
      void client.auth.refresh().catch(() => undefined);
    };
    addEventListener(ERASED, close);
    return () => {
      isLeft = true;
      removeEventListener(ERASED, close);
      stop();
    };
  }, [attempt]);
  return {
    session,
    retry: () => setAttempt((before) => before + 1),
    reloadUser: async () => setSession({ state: "in", user: await client.users.getProfile() }),
  };
}

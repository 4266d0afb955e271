import type { OwnUser } from "@neighborconnect/client";
import { createContext } from "preact";
import { useContext, useEffect, useState } from "preact/hooks";
import { client } from "./api.ts";
import { forgetLists } from "./data.ts";

export type SessionState =
  | { state: "loading" }
  | { state: "out" }
  | { state: "in"; user: OwnUser }
  | { state: "failed"; error: unknown };

export const UserContext = createContext<OwnUser | null>(null);

export function useUser(): OwnUser {
  const user = useContext(UserContext);
  if (!user) throw new Error("This needs a session");
  return user;
}

/** The session of the browser, which all tabs share. */
export function useSession(): [SessionState, () => void] {
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
      load(present?.userId).catch(fail);
    });
    return () => {
      isLeft = true;
      stop();
    };
  }, [attempt]);
  return [session, () => setAttempt((before) => before + 1)];
}

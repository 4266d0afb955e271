import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import { client } from "../api.ts";
import { useLoad } from "../data.ts";
import { Form } from "../form.tsx";
import { currentLocation, href } from "../router.tsx";
import { useTitle } from "../title.ts";
import { ErrorBox, Field, Logo, Skeleton } from "../ui.tsx";

/** The token of the link in an email, which leaves the address bar and the history. */
function useToken(): string {
  const [token] = useState(() => currentLocation().query.get("token") ?? "");
  useEffect(() => history.replaceState(history.state, "", href(currentLocation().path)), []);
  return token;
}

function AccountPage({ title, children }: { title: string; children: JSX.Element }): JSX.Element {
  useTitle(title);
  return (
    <main class="sign-in">
      <div class="welcome"><Logo /><h1>{title}</h1></div>
      {children}
      {/* The whole page is loaded, since the account, its address or its session is another one now. */}
      <p class="switch"><a href={href("/")} target="_self">Go to NeighborConnect</a></p>
    </main>
  );
}

export function VerifyEmailPage(): JSX.Element {
  const token = useToken();
  const { data, error, reload } = useLoad(async (signal) => {
    await client.account.verifyEmail({ token }, { signal });
    return true;
  }, []);
  return (
    <AccountPage title="Confirm your address">
      <>
        {Boolean(error) && <ErrorBox error={error} retry={reload} />}
        {!data && !error && <Skeleton rows={1} />}
        {data && <p class="notice" role="status">Your address is confirmed. Thank you.</p>}
      </>
    </AccountPage>
  );
}

export function ForgotPasswordPage(): JSX.Element {
  const [sentTo, setSentTo] = useState<string>();
  return (
    <AccountPage title="Forgot your password?">
      {sentTo ? (
        <p class="notice" role="status">If {sentTo} has an account, an email with a link is on its way. The link is valid for an hour.</p>
      ) : (
        <Form action="Send the link" icon="send" submit={async ({ email = "" }, idempotencyKey) => { await client.account.forgotPassword({ email: email.trim() }, { idempotencyKey }); setSentTo(email.trim()); }}>
          {(field) => <Field label="Email" type="email" autocomplete="email" required hint="You receive a link to set a new password." {...field("email")} />}
        </Form>
      )}
    </AccountPage>
  );
}

export function ResetPasswordPage(): JSX.Element {
  const token = useToken();
  const [isDone, setDone] = useState(false);
  return (
    <AccountPage title="New password">
      {isDone ? (
        <p class="notice" role="status">Your password is changed, and all devices are signed out. Sign in with the new one.</p>
      ) : (
        <Form action="Set the password" icon="check" submit={async ({ password = "" }, idempotencyKey) => { await client.account.resetPassword({ token, password }, { idempotencyKey }); setDone(true); }}>
          {(field) => <Field label="New password" type="password" autocomplete="new-password" required hint="At least 10 characters." {...field("password")} />}
        </Form>
      )}
    </AccountPage>
  );
}

export function UndoChangePage(): JSX.Element {
  const token = useToken();
  const [resetToken, setResetToken] = useState<string>();
  return (
    <AccountPage title="Undo the change">
      {resetToken ? (
        <Form action="Set the password" icon="check" submit={async ({ password = "" }, idempotencyKey) => { await client.account.resetPassword({ token: resetToken, password }, { idempotencyKey }); location.assign(href("/")); }}>
          {(field) => (
            <>
              <p class="notice" role="status">The change is undone, and all devices are signed out. Set a new password.</p>
              <Field label="New password" type="password" autocomplete="new-password" required hint="At least 10 characters." {...field("password")} />
            </>
          )}
        </Form>
      ) : (
        <Form action="Undo it" kind="danger" submit={async (_, idempotencyKey) => setResetToken((await client.account.undoChange({ token }, { idempotencyKey })).password_reset_token)}>
          {() => <p>Somebody changed how your account is signed in to. If it was not you, undo it: all devices are signed out, and you set a new password.</p>}
        </Form>
      )}
    </AccountPage>
  );
}

/** Shown once after an account is closed. */
export function ClosedPage({ code }: { code: string }): JSX.Element {
  return (
    <AccountPage title="Your account is closed">
      <section class="card">
        <p>Your data is being erased from every store. With this code you can read the signed receipt. It is shown only now:</p>
        <p class="code"><code>{code}</code></p>
        <p class="fine">The receipt is at <a href={`/api/v1/privacy/receipts/${code}`} target="_blank" rel="noreferrer">this address</a> when everything is erased.</p>
      </section>
    </AccountPage>
  );
}

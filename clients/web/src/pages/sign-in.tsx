import { ApiError } from "@neighborconnect/client";
import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import { client, type DemoLogin, demoLogins, problemText, type ProblemText } from "../api.ts";
import { Link } from "../router.tsx";
import { useTitle } from "../title.ts";
import { Avatar, Button, Field, Logo } from "../ui.tsx";

export function SignInPage(): JSX.Element {
  const [isNew, setNew] = useState(false);
  const [problem, setProblem] = useState<ProblemText>();
  const [needsCode, setNeedsCode] = useState(false);
  const [isBusy, setBusy] = useState(false);
  const [demos, setDemos] = useState<DemoLogin[]>([]);
  useTitle(isNew ? "Create an account" : "Sign in");
  useEffect(() => void demoLogins().then(setDemos, () => undefined), []);

  const submit = async (action: () => Promise<unknown>): Promise<void> => {
    if (isBusy) return;
    setBusy(true);
    setProblem(undefined);
    try {
      await action();
    } catch (error) {
      if (error instanceof ApiError && error.code?.startsWith("second_factor")) setNeedsCode(true);
      setProblem(problemText(error));
    } finally {
      setBusy(false);
    }
  };
  const onSubmit = (event: SubmitEvent): void => {
    event.preventDefault();
    const form = new FormData(event.currentTarget as HTMLFormElement);
    const text = (name: string): string => String(form.get(name) ?? "").trim();
    const credentials = { email: text("email"), password: String(form.get("password") ?? "") };
    void submit(() =>
      isNew
        ? client.users.register({
            ...credentials,
            username: text("username"),
            first_name: text("first_name"),
            last_name: text("last_name"),
            interests: text("interests").split(",").map((one) => one.trim()).filter(Boolean),
          })
        : client.auth.login({ ...credentials, ...(text("code") && { code: text("code") }) }),
    );
  };

  return (
    <main class="sign-in">
      <div class="welcome">
        <Logo />
        <h1>NeighborConnect</h1>
        <p>What happens around the corner: groups, events, and things that neighbors share.</p>
      </div>
      <form class="card" onSubmit={onSubmit} key={String(isNew)} aria-busy={isBusy} noValidate>
        <h2>{isNew ? "Create an account" : "Sign in"}</h2>
        {problem && (
          <div class="notice error" role="alert">
            <strong>{problem.title}</strong>
            {problem.detail && problem.detail !== problem.title && !Object.keys(problem.fields).length && <p>{problem.detail}</p>}
          </div>
        )}
        {isNew && (
          <>
            <div class="pair">
              <Field label="First name" name="first_name" autocomplete="given-name" errors={problem?.fields["first_name"]} required />
              <Field label="Last name" name="last_name" autocomplete="family-name" errors={problem?.fields["last_name"]} required />
            </div>
            <Field label="Username" name="username" autocomplete="username" errors={problem?.fields["username"]} required />
          </>
        )}
        <Field label="Email" name="email" type="email" autocomplete="email" errors={problem?.fields["email"]} required />
        <Field
          label="Password"
          name="password"
          type="password"
          autocomplete={isNew ? "new-password" : "current-password"}
          errors={problem?.fields["password"]}
          required
        />
        {isNew && <Field label="Interests" name="interests" hint="Separated by commas, such as gardening, chess" errors={problem?.fields["interests"]} />}
        {needsCode && !isNew && <Field label="Code of your second factor" name="code" autocomplete="one-time-code" />}
        <Button type="submit" kind="primary" disabled={isBusy}>{isNew ? "Create account" : "Sign in"}</Button>
        {!isNew && <p class="switch"><Link to="/forgot-password">Forgot your password?</Link></p>}
        <p class="switch">
          {isNew ? "You have an account?" : "New here?"}{" "}
          <button type="button" class="link" onClick={() => { setProblem(undefined); setNew(!isNew); }}>
            {isNew ? "Sign in" : "Create an account"}
          </button>
        </p>
      </form>
      {demos.length > 0 && (
        <section class="card demos" aria-labelledby="demos">
          <h2 id="demos">Sample community</h2>
          <p class="fine">This is a demonstration. Look around as one of its people:</p>
          <ul class="rows">
            {demos.map((one) => (
              <li key={one.email}>
                <button
                  type="button"
                  class="row"
                  onClick={() => void submit(() => client.auth.login({ email: one.email, password: one.password }))}
                >
                  <Avatar name={one.name} />
                  <span><strong>{one.name}</strong><small>{one.description}</small></span>
                </button>
              </li>
            ))}
          </ul>
        </section>
      )}
    </main>
  );
}

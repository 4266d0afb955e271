/** Log in by cookie, write and log out, as a browser does: `node examples/by_cookie.ts URL`. */
import { createClient } from "@neighborconnect/client";

const baseUrl = process.argv[2] ?? "http://127.0.0.1:8000";
let cookie = "";
const client = createClient({
  baseUrl,
  session: "cookie",
  // Node stores no cookies; a browser needs no `fetch` of its own.
  fetch: async (url, init) => {
    const headers = new Headers(init?.headers);
    if (cookie) headers.set("Cookie", cookie);
    const response = await fetch(url, { ...init, headers });
    for (const one of response.headers.getSetCookie()) cookie = one.split(";")[0] ?? "";
    return response;
  },
});
const username = `ts-${crypto.randomUUID().slice(0, 18)}`;
const email = `${username}@example.org`;
const password = "a long pass phrase";
await client.users.register({ email, username, password, first_name: "Ada", last_name: "Okafor" });
await client.connectors.create({ name: "Gardeners", category: "gardening" });
await client.auth.logout();
const between = await client.users.getProfile().catch((error: Error) => error.name);
await client.auth.login({ email, password });
await client.auth.refresh();
const { username: name } = await client.users.getProfile();
await client.connectors.create({ name: "Cooks", category: "food" });
console.log(JSON.stringify({ between, known: name === username }));

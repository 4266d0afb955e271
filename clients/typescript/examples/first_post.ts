/** Register, open a connector, post in it, like it, and read everything back: `node examples/first_post.ts URL`. */
import { ApiError, type AuthEvent, createClient, memoryStorage } from "@neighborconnect/client";

const baseUrl = process.argv[2] ?? "http://127.0.0.1:8000";
const storage = memoryStorage();
const client = createClient({ baseUrl, storage });

const username = `ts-${crypto.randomUUID().slice(0, 18)}`;
const { user } = await client.users.register({
  email: `${username}@example.org`,
  username,
  password: "a long pass phrase",
  first_name: "Ada",
  last_name: "Okafor",
  interests: ["gardening"],
});
const connector = await client.connectors.create({ name: "Dean Street Gardeners", category: "gardening" });
for (const content of ["The seedlings are ready.", "So is the compost.", "Who brings a spade?"]) {
  const post = await client.posts.create({ connector_id: connector.id, content });
  await client.posts.like(post.id);
}

// As if it were refused: the next call renews it and is sent again.
const stored = JSON.parse((await storage.getItem(`neighborconnect ${baseUrl}`)) ?? "{}") as object;
await storage.setItem(`neighborconnect ${baseUrl}`, JSON.stringify({ ...stored, access_token: "expired" }));
const later = createClient({ baseUrl, storage });
const events: AuthEvent[] = [];
later.auth.onAuthStateChange((event) => events.push(event));
const read: string[] = [];
for await (const post of later.posts.listConnectorPosts.all(connector.id, { limit: 2 })) {
  read.push(`${post.content} (${post.like_count})`);
}

const missing = await later.posts.get(user.id).catch((error: unknown) => error);
await later.connectors.close(connector.id);
await later.auth.logout();
console.log(JSON.stringify({ read, events, missing: missing instanceof ApiError && missing.code }));

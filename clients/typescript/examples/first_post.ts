/** Register, open a connector, post in it, like it, and read everything back: `node examples/first_post.ts URL`. */
import { connect, orThrow, pages, type Tokens } from "../src/index.ts";

const baseUrl = process.argv[2] ?? "http://127.0.0.1:8000";
const kept: Tokens[] = [];
const api = connect({ baseUrl, onTokens: (tokens) => kept.push(tokens) });

const name = `ts-${crypto.randomUUID().slice(0, 18)}`;
const { user } = orThrow(
  await api.POST("/api/v1/users/register", {
    body: {
      email: `${name}@example.org`,
      username: name,
      password: "a long pass phrase",
      first_name: "Ada",
      last_name: "Okafor",
      interests: ["gardening"],
    },
  }),
);
const connector = orThrow(
  await api.POST("/api/v1/connectors", { body: { name: "Dean Street Gardeners", category: "gardening" } }),
);
for (const content of ["The seedlings are ready.", "So is the compost.", "Who brings a spade?"]) {
  const post = orThrow(await api.POST("/api/v1/posts", { body: { connector_id: connector.id, content } }));
  orThrow(await api.POST("/api/v1/posts/{post_id}/like", { params: { path: { post_id: post.id } } }));
}

// As if it had expired: the next request renews it and is sent again.
const last = kept.at(-1);
if (!last) throw new Error("Nobody kept the tokens");
const later = connect({
  baseUrl,
  tokens: { ...last, access_token: "expired" },
  onTokens: (tokens) => kept.push(tokens),
});
const read: string[] = [];
const posts = pages(async (cursor) =>
  orThrow(
    await later.GET("/api/v1/posts/connector/{connector_id}", {
      params: { path: { connector_id: connector.id }, query: { limit: 2, ...(cursor ? { cursor } : {}) } },
    }),
  ),
);
for await (const post of posts) read.push(`${post.content} (${post.likes_count})`);

const missing = await later.GET("/api/v1/posts/{post_id}", { params: { path: { post_id: user.id } } });
console.log(JSON.stringify({ user: user.username, read, tokens: kept.length, missing: missing.error?.code }));

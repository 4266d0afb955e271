interface Page {
  items: unknown[];
  next_cursor: string | null;
}

/** A list: a call returns one page, `all` iterates over the items of all pages. */
export type Paged<Args extends unknown[], Answer extends Page> = ((...args: Args) => Promise<Answer>) & {
  /** Iterate over the items of all pages; a page is requested when it is needed. */
  all(...args: Args): AsyncGenerator<Answer["items"][number], void, undefined>;
};

/** Make a list of a request for one page, whose argument number `at` has the cursor. */
export function paged<Args extends unknown[], Answer extends Page>(
  at: number,
  ask: (...args: Args) => Promise<Answer>,
): Paged<Args, Answer> {
  async function* all(...args: Args): AsyncGenerator<unknown, void, undefined> {
    const next: unknown[] = [...args];
    for (;;) {
      const page = await ask(...(next as Args));
      yield* page.items;
      if (page.next_cursor === null) return;
      next[at] = { ...(next[at] as object | undefined), cursor: page.next_cursor };
    }
  }
  return Object.assign((...args: Args) => ask(...args), { all }) as Paged<Args, Answer>;
}

import type { ComponentChildren, ComponentType, JSX } from "preact";
import { useEffect, useState } from "preact/hooks";

const BASE = import.meta.env.BASE_URL.replace(/\/$/, "");
const listeners = new Set<() => void>();
const scrollPositions = new Map<number, number>();
let entry = (history.state as { entry?: number } | null)?.entry ?? 0;

export interface Location {
  path: string;
  query: URLSearchParams;
}

export function currentLocation(): Location {
  return { path: location.pathname.slice(BASE.length) || "/", query: new URLSearchParams(location.search) };
}

/** Address of a page of the app. */
export function href(path: string): string {
  return BASE + path;
}

export function navigate(path: string, { replace = false } = {}): void {
  scrollPositions.set(entry, scrollY);
  if (!replace) entry += 1;
  const isSame = path.split("?")[0] === currentLocation().path;
  history[replace ? "replaceState" : "pushState"]({ entry }, "", BASE + path);
  for (const listener of [...listeners]) listener();
  if (!replace || !isSame) {
    scrollTo(0, 0);
    // Screen readers and the keyboard continue at the new page.
    document.querySelector<HTMLElement>("main")?.focus({ preventScroll: true });
  }
}

export function startRouter(): void {
  history.scrollRestoration = "manual";
  addEventListener("popstate", ({ state }: PopStateEvent) => {
    scrollPositions.set(entry, scrollY);
    entry = (state as { entry?: number } | null)?.entry ?? 0;
    for (const listener of [...listeners]) listener();
    const position = scrollPositions.get(entry) ?? 0;
    requestAnimationFrame(() => requestAnimationFrame(() => scrollTo(0, position)));
  });
  document.addEventListener("click", (event) => {
    const link = (event.target as Element).closest?.("a");
    const isPlain = event.button === 0 && !event.metaKey && !event.ctrlKey && !event.shiftKey && !event.altKey;
    if (!link || !isPlain || event.defaultPrevented || link.target || link.hasAttribute("download")) return;
    if (link.origin !== location.origin || !link.pathname.startsWith(`${BASE}/`)) return;
    event.preventDefault();
    navigate(link.pathname.slice(BASE.length) + link.search);
  });
}

export function useLocation(): Location {
  const [place, setPlace] = useState(currentLocation);
  useEffect(() => {
    const update = () => setPlace(currentLocation());
    listeners.add(update);
    update();
    return () => void listeners.delete(update);
  }, []);
  return place;
}

export interface PageProps {
  id: string;
  query: URLSearchParams;
}

export type Routes = Record<string, ComponentType<PageProps>>;

/** A part of an address, as it is where it cannot be decoded. */
function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

/** The page of a path, such as `/posts/:id`, and its key, so that another id is another page. */
export function match(routes: Routes, { path, query }: Location): JSX.Element | null {
  for (const [pattern, Page] of Object.entries(routes)) {
    const expression = new RegExp(`^${pattern.replace(":id", "([^/]+)")}/?$`);
    const found = expression.exec(path);
    if (found) return <Page key={`${pattern} ${found[1] ?? ""}`} id={decoded(found[1] ?? "")} query={query} />;
  }
  return null;
}

interface LinkProps {
  to: string;
  class?: string;
  children: ComponentChildren;
  current?: boolean;
  label?: string;
  onClick?: () => void;
}

export function Link({ to, current, label, children, ...rest }: LinkProps): JSX.Element {
  return (
    <a href={href(to)} aria-current={current ? "page" : undefined} aria-label={label} {...rest}>
      {children}
    </a>
  );
}

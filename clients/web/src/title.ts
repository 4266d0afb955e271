import { useEffect } from "preact/hooks";

/** Set the title of the window while a page is shown. */
export function useTitle(title: string | undefined): void {
  useEffect(() => {
    document.title = title ? `${title} · NeighborConnect` : "NeighborConnect";
  }, [title]);
}

import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";

function useOnline(): boolean {
  const [isOnline, setOnline] = useState(navigator.onLine);
  useEffect(() => {
    const update = () => setOnline(navigator.onLine);
    addEventListener("online", update);
    addEventListener("offline", update);
    return () => {
      removeEventListener("online", update);
      removeEventListener("offline", update);
    };
  }, []);
  return isOnline;
}

/** What is shown above every page while the device has no connection. */
export function OfflineBanner(): JSX.Element {
  const isOnline = useOnline();
  return (
    <div role="status" class="offline" hidden={isOnline}>
      {!isOnline && "You are offline. What you write is kept, and sent when you are back."}
    </div>
  );
}

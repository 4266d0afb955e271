import type { JSX } from "preact";
import { ConversationPage, ConversationsPage } from "./pages/chat.tsx";
import { ConnectorPage } from "./pages/connector.tsx";
import { EventPage, EventsPage } from "./pages/events.tsx";
import { HomePage } from "./pages/home.tsx";
import { ItemPage, MarketPage } from "./pages/market.tsx";
import { NotificationsPage } from "./pages/notifications.tsx";
import { PostPage } from "./pages/post.tsx";
import { PersonPage, ProfilePage } from "./pages/profile.tsx";
import { SearchPage } from "./pages/search.tsx";
import { SignInPage } from "./pages/sign-in.tsx";
import { TunePage } from "./pages/tune.tsx";
import { Link, match, type Routes, useLocation } from "./router.tsx";
import { UserContext, useSession, useUser } from "./session.tsx";
import { useUnread } from "./unread.ts";
import { Avatar, Empty, ErrorBox, Icon, type IconName, Logo, Skeleton, Toasts } from "./ui.tsx";

const ROUTES: Routes = {
  "/": HomePage,
  "/tune": TunePage,
  "/posts/:id": PostPage,
  "/connectors/:id": ConnectorPage,
  "/events": EventsPage,
  "/events/:id": EventPage,
  "/market": MarketPage,
  "/market/:id": ItemPage,
  "/notifications": NotificationsPage,
  "/search": SearchPage,
  "/chat": ConversationsPage,
  "/chat/:id": ConversationPage,
  "/you": ProfilePage,
  "/people/:id": PersonPage,
};

interface Tab {
  to: string;
  name: string;
  icon: IconName;
}

const TABS: Tab[] = [
  { to: "/", name: "Home", icon: "home" },
  { to: "/events", name: "Events", icon: "calendar" },
  { to: "/market", name: "Market", icon: "tag" },
  { to: "/chat", name: "Chat", icon: "chat" },
  { to: "/you", name: "You", icon: "person" },
];

export function App(): JSX.Element {
  const [session, retry] = useSession();
  return (
    <>
      {session.state === "loading" && <main class="alone" aria-busy="true"><Skeleton rows={2} /></main>}
      {session.state === "failed" && <main class="alone"><ErrorBox error={session.error} retry={retry} /></main>}
      {session.state === "out" && <SignInPage />}
      {session.state === "in" && (
        <UserContext.Provider value={session.user}>
          <Shell key={session.user.id} />
        </UserContext.Provider>
      )}
      <Toasts />
    </>
  );
}

function Shell(): JSX.Element {
  const user = useUser();
  const unread = useUnread();
  const place = useLocation();
  const page = match(ROUTES, place);
  const isCurrent = ({ to }: Tab): boolean => (to === "/" ? place.path === "/" : place.path.startsWith(to));
  const name = `${user.first_name} ${user.last_name}`;
  return (
    <div class="shell">
      <a class="skip" href="#main" onClick={(event) => { event.preventDefault(); document.getElementById("main")?.focus(); }}>
        Skip to content
      </a>
      <header class="top">
        <Link to="/" class="brand"><Logo /><span>NeighborConnect</span></Link>
        <span class="grow" />
        <Link to="/search" class="round" label="Search"><Icon name="search" /></Link>
        <Link to="/notifications" class="round" label={`Notifications, ${unread.notifications} unread`}>
          <Icon name="bell" />
          {unread.notifications > 0 && <span class="count" aria-hidden="true">{Math.min(unread.notifications, 99)}</span>}
        </Link>
        <Link to="/you" class="round" label={`You: ${name}`}><Avatar name={name} url={user.avatar_url} size="small" /></Link>
      </header>
      <nav class="tabs" aria-label="Main">
        {TABS.map((tab) => (
          <Link key={tab.to} to={tab.to} current={isCurrent(tab)}>
            <Icon name={tab.icon} />
            <span>{tab.name}</span>
          </Link>
        ))}
      </nav>
      <main id="main" tabIndex={-1}>
        {page ?? (
          <Empty icon="search" title="No such page">
            <Link to="/" class="button">Go to your feed</Link>
          </Empty>
        )}
      </main>
    </div>
  );
}

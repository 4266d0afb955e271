import type { JSX } from "preact";
import { OfflineBanner } from "./online.tsx";
import { ClosedPage, ForgotPasswordPage, ResetPasswordPage, UndoChangePage, VerifyEmailPage } from "./pages/account.tsx";
import { ConversationPage, ConversationsPage, NewConversationPage } from "./pages/chat.tsx";
import { ConnectorPage } from "./pages/connector.tsx";
import { EditEventPage, NewEventPage } from "./pages/event-form.tsx";
import { EventPage, EventsPage } from "./pages/events.tsx";
import { EditGroupPage, GroupsPage, NewGroupPage } from "./pages/groups.tsx";
import { HomePage } from "./pages/home.tsx";
import { EditItemPage, NewItemPage } from "./pages/item-form.tsx";
import { ItemPage, MarketPage } from "./pages/market.tsx";
import { NotificationsPage } from "./pages/notifications.tsx";
import { EditPostPage, NewPostPage } from "./pages/post-form.tsx";
import { PostPage } from "./pages/post.tsx";
import { EditProfilePage } from "./pages/profile-form.tsx";
import { PersonPage, ProfilePage } from "./pages/profile.tsx";
import { SearchPage } from "./pages/search.tsx";
import { SignInPage } from "./pages/sign-in.tsx";
import { TunePage } from "./pages/tune.tsx";
import { Link, match, navigate, type Routes, useLocation } from "./router.tsx";
import { UserProvider, useSession, useUser } from "./session.tsx";
import { useUnread } from "./unread.ts";
import { Avatar, Empty, ErrorBox, Icon, type IconName, Logo, Menu, type MenuEntry, Skeleton, Toasts } from "./ui.tsx";

const ROUTES: Routes = {
  "/": HomePage,
  "/tune": TunePage,
  "/new/post": NewPostPage,
  "/new/event": NewEventPage,
  "/new/offer": NewItemPage,
  "/new/group": NewGroupPage,
  "/posts/:id": PostPage,
  "/posts/:id/edit": EditPostPage,
  "/groups": GroupsPage,
  "/connectors/:id": ConnectorPage,
  "/connectors/:id/edit": EditGroupPage,
  "/events": EventsPage,
  "/events/:id": EventPage,
  "/events/:id/edit": EditEventPage,
  "/market": MarketPage,
  "/market/:id": ItemPage,
  "/market/:id/edit": EditItemPage,
  "/notifications": NotificationsPage,
  "/search": SearchPage,
  "/chat": ConversationsPage,
  "/chat/new": NewConversationPage,
  "/chat/:id": ConversationPage,
  "/you": ProfilePage,
  "/you/edit": EditProfilePage,
  "/people/:id": PersonPage,
};

/** Pages that need no session, such as those that links in emails lead to. */
const OPEN_ROUTES: Routes = {
  "/verify-email": VerifyEmailPage,
  "/forgot-password": ForgotPasswordPage,
  "/reset-password": ResetPasswordPage,
  "/undo": UndoChangePage,
};

interface Tab {
  to: string;
  name: string;
  icon: IconName;
}

const TABS: Tab[] = [
  { to: "/", name: "Home", icon: "home" },
  { to: "/groups", name: "Groups", icon: "people" },
  { to: "/events", name: "Events", icon: "calendar" },
  { to: "/market", name: "Market", icon: "tag" },
  { to: "/chat", name: "Chat", icon: "chat" },
  { to: "/you", name: "You", icon: "person" },
];

const NEW: MenuEntry[] = [
  { label: "Post", icon: "edit", run: () => navigate("/new/post") },
  { label: "Event", icon: "calendar", run: () => navigate("/new/event") },
  { label: "Offer", icon: "tag", run: () => navigate("/new/offer") },
  { label: "Group", icon: "people", run: () => navigate("/new/group") },
];

export function App(): JSX.Element {
  const { session, retry, reloadUser } = useSession();
  const open = match(OPEN_ROUTES, useLocation());
  const page = (): JSX.Element => {
    if (session.state === "closed") return <ClosedPage code={session.code} />;
    if (open) return open;
    if (session.state === "loading") return <main class="alone" aria-busy="true"><Skeleton rows={2} /></main>;
    if (session.state === "failed") return <main class="alone"><ErrorBox error={session.error} retry={retry} /></main>;
    if (session.state === "out") return <SignInPage />;
    return <UserProvider user={session.user} reload={reloadUser}><Shell key={session.user.id} /></UserProvider>;
  };
  return (
    <>
      <OfflineBanner />
      {page()}
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
        <Link to="/" class="brand" label="NeighborConnect"><Logo /><span>NeighborConnect</span></Link>
        <span class="grow" />
        <Menu label="Write, plan or offer something" icon="plus" entries={NEW} />
        <Link to="/search" class="round" label="Search"><Icon name="search" /></Link>
        <Link to="/notifications" class="round" label={`Notifications, ${unread.notifications} unread`}>
          <Icon name="bell" />
          {unread.notifications > 0 && <span class="count" aria-hidden="true">{Math.min(unread.notifications, 99)}</span>}
        </Link>
        <Link to="/you" class="round you" label={`You: ${name}`}><Avatar name={name} url={user.avatar_url} size="small" /></Link>
      </header>
      <nav class="tabs" aria-label="Main">
        {TABS.map((tab) => {
          const count = tab.to === "/chat" ? unread.conversations : 0;
          return (
            <Link key={tab.to} to={tab.to} current={isCurrent(tab)} {...(count && { label: `${tab.name}, ${count} unread` })}>
              <Icon name={tab.icon} />
              <span>{tab.name}</span>
              {count > 0 && <span class="count" aria-hidden="true">{count}</span>}
            </Link>
          );
        })}
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

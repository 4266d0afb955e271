import type { Event } from "@neighborconnect/client";
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { client } from "../api.ts";
import { DateTile, EventCard, eventTime, RsvpButtons } from "../cards.tsx";
import { forgetLists, useList, useLoad } from "../data.ts";
import { count, moment } from "../format.ts";
import { Link, navigate, type PageProps } from "../router.tsx";
import { useTitle } from "../title.ts";
import { useUser } from "../session.tsx";
import { BackLink, Confirm, Empty, ErrorBox, Icon, ListView, Menu, type MenuEntry, PersonAvatar, Pictures, Segments, Skeleton } from "../ui.tsx";
import { ReportDialog } from "./report.tsx";

type Part = "all" | "going" | "hosting" | "past";

export function EventsPage({ query }: PageProps): JSX.Element {
  useTitle("Events");
  const part = (["going", "hosting", "past"].find((one) => one === query.get("part")) ?? "all") as Part;
  const list = useList<Event>(
    (cursor, signal) =>
      part !== "all"
        ? client.events.listOwnEvents({ part, limit: 20, ...(cursor && { cursor }) }, { signal })
        : client.events.list({ limit: 20, since: new Date().toISOString(), ...(cursor && { cursor }) }, { signal }),
    [part],
  );
  return (
    <>
      <header class="page"><div><h1>Events</h1></div><Link to="/new/event" class="button"><Icon name="plus" />New</Link></header>
      <Segments
        label="Which events"
        value={part}
        options={[["all", "Upcoming"], ["going", "Going"], ["hosting", "Hosting"], ["past", "Past"]]}
        onChange={(one) => navigate(one === "all" ? "/events" : `/events?part=${one}`, { replace: true })}
      />
      <ListView
        list={list}
        label="Events"
        row={(event) => <li class="card" key={event.id}><EventCard event={event} /></li>}
        empty={<Empty icon="calendar" title="No events"><p>{part === "all" ? "Nothing is planned nearby." : part === "hosting" ? "Events that you plan are listed here." : "Events that you answer are listed here."}</p></Empty>}
      />
    </>
  );
}

export function EventPage({ id }: PageProps): JSX.Element {
  const { data: event, error, reload } = useLoad((signal) => client.events.get(id, { signal }), [id]);
  const { data: attendees } = useLoad((signal) => client.events.listAttendees(id, { limit: 30 }, { signal }), [id, event?.attendee_count]);
  useTitle(event?.title ?? "Event");
  if (error) return <><BackLink to="/events">Events</BackLink><ErrorBox error={error} retry={reload} /></>;
  if (!event) return <Skeleton rows={2} />;
  const going = attendees?.items.filter(({ status }) => status === "attending") ?? [];
  return (
    <>
      <div class="split"><BackLink to="/events">Events</BackLink><EventMenu event={event} onCancel={reload} /></div>
      <article class="card">
        <Pictures media={event.media} />
        <div class="byline">
          <DateTile value={event.start_date} timeZone={event.time_zone} />
          <div><h1>{event.title}</h1><small>{eventTime(event)}</small></div>
        </div>
        {event.end_date && <p class="fine">Until {moment(event.end_date, { weekday: "short", hour: "numeric", minute: "2-digit", timeZone: event.time_zone })} ({event.time_zone.replaceAll("_", " ")})</p>}
        {event.location && <p class="with-icon"><Icon name="place" />{event.location}</p>}
        {event.description && <p class="content">{event.description}</p>}
        <p class="fine">
          Hosted by <Link to={`/people/${event.host.id}`}>{event.host.display_name}</Link> in <Link to={`/connectors/${event.connector_id}`}>{event.connector_name}</Link>
          {event.remaining_capacity !== null && ` · ${event.is_full ? "full" : `${count(event.remaining_capacity, "place")} left`}`}
        </p>
        {event.cancelled ? <p class="badge">Canceled</p> : <RsvpButtons event={event} onChange={reload} />}
      </article>
      <section aria-labelledby="going">
        <h2 id="going">{count(event.attendee_count, "neighbor")} going</h2>
        {event.hides_attendees && <p class="fine">The host does not show who is going.</p>}
        {going.length > 0 && (
          <ul class="rows" aria-label="Going">
            {going.map(({ user, guest_count }) => (
              <li key={user.id}>
                <div class="byline"><PersonAvatar person={user} /><div><Link to={`/people/${user.id}`} class="person">{user.display_name}</Link>{guest_count > 0 && <small>and {count(guest_count, "guest")}</small>}</div></div>
              </li>
            ))}
          </ul>
        )}
      </section>
    </>
  );
}

function EventMenu({ event, onCancel }: { event: Event; onCancel: () => void }): JSX.Element {
  const user = useUser();
  const [open, setOpen] = useState<"cancel" | "report">();
  const calendar: MenuEntry = { label: "Add to your calendar", icon: "calendar", run: () => saveCalendar(event) };
  const own: MenuEntry[] = event.cancelled
    ? []
    : [
        { label: "Edit", icon: "edit", run: () => navigate(`/events/${event.id}/edit`) },
        { label: "Cancel the event", icon: "trash", run: () => setOpen("cancel") },
      ];
  const others: MenuEntry[] = [{ label: "Report", icon: "flag", run: () => setOpen("report") }];
  return (
    <>
      <Menu label="Actions on this event" entries={[calendar, ...(event.host.id === user.id ? own : others)]} />
      {open === "cancel" && (
        <Confirm
          title="Cancel this event?"
          action="Cancel the event"
          onClose={() => setOpen(undefined)}
          run={async () => {
            await client.events.cancel(event.id);
            forgetLists();
            onCancel();
          }}
        >
          <p>{event.title} stays visible as canceled, and those who answered are told.</p>
        </Confirm>
      )}
      {open === "report" && <ReportDialog kind="event" id={event.id} onClose={() => setOpen(undefined)} />}
    </>
  );
}

async function saveCalendar({ id, title }: Event): Promise<void> {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([await client.events.getEventCalendar(id)], { type: "text/calendar" }));
  link.download = `${title}.ics`;
  link.click();
  URL.revokeObjectURL(link.href);
}

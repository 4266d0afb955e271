import type { Event } from "@neighborconnect/client";
import type { JSX } from "preact";
import { client } from "../api.ts";
import { DateTile, EventCard, eventTime, RsvpButtons } from "../cards.tsx";
import { useList, useLoad } from "../data.ts";
import { count } from "../format.ts";
import { Link, navigate, type PageProps } from "../router.tsx";
import { useTitle } from "../title.ts";
import { BackLink, Empty, ErrorBox, Icon, ListView, PersonAvatar, Segments, Skeleton } from "../ui.tsx";

export function EventsPage({ query }: PageProps): JSX.Element {
  useTitle("Events");
  const part = query.get("part") === "mine" ? "mine" : "all";
  const list = useList<Event>(
    (cursor, signal) =>
      part === "mine"
        ? client.events.listOwnEvents({ limit: 20, ...(cursor && { cursor }) }, { signal })
        : client.events.list({ limit: 20, since: new Date().toISOString(), ...(cursor && { cursor }) }, { signal }),
    [part],
  );
  return (
    <>
      <header class="page"><div><h1>Events</h1></div></header>
      <Segments
        label="Which events"
        value={part}
        options={[["all", "Upcoming"], ["mine", "Yours"]]}
        onChange={(one) => navigate(one === "mine" ? "/events?part=mine" : "/events", { replace: true })}
      />
      <ListView
        list={list}
        label="Events"
        row={(event) => <li class="card" key={event.id}><EventCard event={event} /></li>}
        empty={<Empty icon="calendar" title="No events"><p>{part === "mine" ? "Events that you answer are listed here." : "Nothing is planned nearby."}</p></Empty>}
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
      <BackLink to="/events">Events</BackLink>
      <article class="card">
        <div class="byline">
          <DateTile value={event.start_date} timeZone={event.time_zone} />
          <div><h1>{event.title}</h1><small>{eventTime(event)}</small></div>
        </div>
        {event.location && <p class="with-icon"><Icon name="place" />{event.location}</p>}
        {event.description && <p class="content">{event.description}</p>}
        <p class="fine">
          Hosted by {event.host.display_name} in <Link to={`/connectors/${event.connector_id}`}>{event.connector_name}</Link>
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
                <div class="byline"><PersonAvatar person={user} /><div><strong>{user.display_name}</strong>{guest_count > 0 && <small>and {count(guest_count, "guest")}</small>}</div></div>
              </li>
            ))}
          </ul>
        )}
      </section>
    </>
  );
}

import type { Event } from "@neighborconnect/client";
import type { JSX } from "preact";
import { client } from "../api.ts";
import { forgetLists, useLoad } from "../data.ts";
import { EditForm, type FieldSource, Form, orNull, type Values } from "../form.tsx";
import { localTime, ownTimeZone, timeZones, utcTime } from "../time.ts";
import { navigate, type PageProps } from "../router.tsx";
import { useTitle } from "../title.ts";
import { BackLink, Check, ErrorBox, Field } from "../ui.tsx";
import { PicturesField, type Uploads, useUploads } from "../uploads.tsx";
import { useOwnGroups } from "./groups.tsx";
import { NeedsGroup } from "./post-form.tsx";

function EventFields({ field, pictures }: { field: FieldSource; pictures: Uploads }): JSX.Element {
  const zone = field("time_zone");
  return (
    <>
      <Field label="Title" required {...field("title")} />
      <div class="pair times">
        <Field label="Begins" type="datetime-local" required {...field("start_date")} />
        <Field label="Ends" type="datetime-local" {...field("end_date")} />
      </div>
      <Field label="Time zone" options={timeZones(zone.value)} hint="Others see the time in this zone." {...zone} />
      <Field label="Place" {...field("location")} />
      <Field label="Places" type="number" min="1" step="1" hint="Without a number, everybody may come." {...field("max_attendees")} />
      <Field label="Description" rows={5} {...field("description")} />
      <PicturesField uploads={pictures} errors={field("media_ids").errors} />
      <Check label="Hide who is going" hint="Only you and moderators see the list" name="hides_attendees" value={field("hides_attendees").value} />
    </>
  );
}

export function NewEventPage({ query }: PageProps): JSX.Element {
  useTitle("New event");
  const groups = useOwnGroups("all");
  const group = query.get("group") ?? "";
  const pictures = useUploads();
  const create = async (values: Values, idempotencyKey: string): Promise<void> => {
    const zone = values["time_zone"] ?? "UTC";
    const made = await client.events.create(
      {
        connector_id: values["connector_id"] ?? "",
        title: values["title"] ?? "",
        start_date: utcTime(values["start_date"], zone) ?? "",
        end_date: utcTime(values["end_date"], zone),
        time_zone: zone,
        location: orNull(values["location"]),
        description: orNull(values["description"]),
        max_attendees: values["max_attendees"] ? Number(values["max_attendees"]) : null,
        hides_attendees: values["hides_attendees"] === "on",
        media_ids: await pictures.ids(),
      },
      { idempotencyKey },
    );
    forgetLists();
    navigate(`/events/${made.id}`);
  };
  return (
    <>
      <BackLink to="/events">Events</BackLink>
      <h1>New event</h1>
      <NeedsGroup groups={groups}>
        <Form action="Plan it" icon="calendar" submit={create} draft={`event ${group}`} initial={{ connector_id: group, time_zone: ownTimeZone() }}>
          {(field) => (
            <>
              <Field label="Group" options={groups.options} {...field("connector_id")} />
              <EventFields field={field} pictures={pictures} />
            </>
          )}
        </Form>
      </NeedsGroup>
    </>
  );
}

export function EditEventPage({ id }: PageProps): JSX.Element {
  const { data: event, error, reload } = useLoad((signal) => client.events.get(id, { signal }), [id]);
  useTitle("Edit event");
  return (
    <>
      <BackLink to={`/events/${id}`}>Event</BackLink>
      <h1>Edit event</h1>
      {Boolean(error) && <ErrorBox error={error} retry={reload} />}
      {event && <EditEvent event={event} />}
    </>
  );
}

function EditEvent({ event: { id, media } }: { event: Event }): JSX.Element {
  const pictures = useUploads(media);
  const back = (): void => navigate(`/events/${id}`);
  return (
    <EditForm
      action="Save"
      icon="check"
      load={(options) => client.events.get(id, options)}
      values={(one) => ({
        title: one.title,
        start_date: localTime(one.start_date, one.time_zone),
        end_date: localTime(one.end_date, one.time_zone),
        time_zone: one.time_zone,
        location: one.location ?? "",
        max_attendees: String(one.max_attendees ?? ""),
        description: one.description ?? "",
        hides_attendees: one.hides_attendees ? "on" : "",
      })}
      save={async (changed, options, event) => {
        const { title, start_date, end_date, time_zone, location, max_attendees, description, hides_attendees } = changed;
        // Another zone means other moments for the same times.
        const zone = time_zone ?? event.time_zone;
        const begin = start_date ?? (time_zone && localTime(event.start_date, event.time_zone));
        const end = end_date ?? (time_zone && localTime(event.end_date, event.time_zone));
        await client.events.change(
          id,
          {
            ...(title !== undefined && { title }),
            ...(begin !== undefined && { start_date: utcTime(begin, zone) ?? "" }),
            ...(end !== undefined && { end_date: utcTime(end, zone) }),
            ...(time_zone && { time_zone }),
            ...(location !== undefined && { location: orNull(location) }),
            ...(max_attendees !== undefined && { max_attendees: max_attendees ? Number(max_attendees) : null }),
            ...(description !== undefined && { description: orNull(description) }),
            ...(hides_attendees !== undefined && { hides_attendees: hides_attendees === "on" }),
            ...(pictures.isChanged && { media_ids: await pictures.ids() }),
          },
          options,
        );
        back();
      }}
      onCancel={back}
    >
      {(field) => <EventFields field={field} pictures={pictures} />}
    </EditForm>
  );
}

import type { JSX } from "preact";
import { client } from "../api.ts";
import { EditForm, orNull } from "../form.tsx";
import { navigate } from "../router.tsx";
import { useReloadUser, useUser } from "../session.tsx";
import { useTitle } from "../title.ts";
import { Avatar, BackLink, Button, Field, toast } from "../ui.tsx";
import { PicturesField, useUploads } from "../uploads.tsx";

export function EditProfilePage(): JSX.Element {
  useTitle("Edit profile");
  const reloadUser = useReloadUser();
  return (
    <>
      <BackLink to="/you">You</BackLink>
      <h1>Edit profile</h1>
      <AvatarForm />
      <EditForm
        action="Save"
        icon="check"
        load={(options) => client.users.getProfile(options)}
        values={(one) => ({
          first_name: one.first_name,
          last_name: one.last_name,
          neighborhood: one.neighborhood ?? "",
          city: one.city ?? "",
          phone: one.phone ?? "",
          interests: one.interests.join(", "),
        })}
        save={async ({ first_name, last_name, interests, ...places }, options) => {
          await client.users.changeProfile(
            {
              ...(first_name !== undefined && { first_name }),
              ...(last_name !== undefined && { last_name }),
              ...Object.fromEntries(Object.entries(places).map(([name, text]) => [name, orNull(text)])),
              ...(interests !== undefined && { interests: interests.split(",").map((one) => one.trim()).filter(Boolean) }),
            },
            options,
          );
          await reloadUser();
          toast("Saved.");
          navigate("/you");
        }}
        onCancel={() => navigate("/you")}
      >
        {(field) => (
          <>
            <div class="pair">
              <Field label="First name" autocomplete="given-name" required {...field("first_name")} />
              <Field label="Last name" autocomplete="family-name" required {...field("last_name")} />
            </div>
            <Field label="Neighborhood" {...field("neighborhood")} />
            <Field label="City" autocomplete="address-level2" {...field("city")} />
            <Field label="Phone" autocomplete="tel" hint="Only you see it." {...field("phone")} />
            <Field label="Interests" hint="Separated by commas; your feed uses them." {...field("interests")} />
          </>
        )}
      </EditForm>
    </>
  );
}

function AvatarForm(): JSX.Element {
  const user = useUser();
  const reloadUser = useReloadUser();
  const uploads = useUploads();
  const chosen = uploads.items[0];
  const save = async (): Promise<void> => {
    const [id] = await uploads.ids();
    if (!id) return;
    // Only a picture that is processed can be shown.
    await client.media.waitUntilReady(id);
    await client.users.setAvatar({ media_id: id });
    uploads.clear();
    await reloadUser();
    toast("Your picture is changed.");
  };
  const remove = async (): Promise<void> => {
    await client.users.removeAvatar();
    await reloadUser();
  };
  return (
    <section class="card profile" aria-label="Your picture">
      <Avatar name={`${user.first_name} ${user.last_name}`} url={user.avatar_url} size="large" key={user.avatar_url} />
      <PicturesField uploads={uploads} label="Your picture" most={1} />
      {(chosen || user.avatar_url) && (
        <div class="buttons">
          {chosen && <Button kind="primary" icon="check" onClick={save}>Use this picture</Button>}
          {user.avatar_url && !chosen && <Button icon="trash" onClick={remove}>Remove your picture</Button>}
        </div>
      )}
    </section>
  );
}

import type { NewReport } from "@neighborconnect/client";
import type { JSX } from "preact";
import { client } from "../api.ts";
import { Form } from "../form.tsx";
import { Dialog, Field, type Option, toast } from "../ui.tsx";

const REASONS: Option[] = [
  ["spam", "Spam"],
  ["harassment", "Harassment"],
  ["hate", "Hate"],
  ["violence", "Violence"],
  ["nudity", "Nudity"],
  ["fraud", "Fraud"],
  ["privacy", "It shows private things"],
  ["other", "Something else"],
];

export function ReportDialog({ kind, id, onClose }: { kind: NewReport["subject_kind"]; id: string; onClose: () => void }): JSX.Element {
  return (
    <Dialog title="Report to the moderators" onClose={onClose}>
      <Form
        class="composer"
        action="Report"
        icon="flag"
        onCancel={onClose}
        submit={async ({ reason, details = "" }, idempotencyKey) => {
          await client.moderation.createReport({ subject_kind: kind, subject_id: id, reason: reason as NewReport["reason"], details }, { idempotencyKey });
          toast("Thank you. A moderator looks at it.");
          onClose();
        }}
      >
        {(field) => (
          <>
            <Field label="What is wrong?" options={REASONS} {...field("reason")} />
            <Field label="Details" rows={3} {...field("details")} />
          </>
        )}
      </Form>
    </Dialog>
  );
}

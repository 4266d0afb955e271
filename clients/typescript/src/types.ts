import type { operations } from "./generated/schema.ts";

type Name = keyof operations;
type Json<Message> = Message extends { content: infer Content } ? Content[keyof Content] : undefined;

/** Body of the successful response of an operation. */
export type Answer<Operation extends Name> = {
  [Status in 200 | 201 | 202]: operations[Operation]["responses"] extends Record<Status, infer Message> ? Json<Message> : never;
}[200 | 201 | 202];

/** Body of the request of an operation. */
export type Body<Operation extends Name> = Json<NonNullable<operations[Operation]["requestBody"]>>;

/** Query parameters of an operation. */
export type Query<Operation extends Name> = NonNullable<operations[Operation]["parameters"]["query"]>;

/** Parameter in the path of an operation. */
export type PathParameter<Operation extends Name, Parameter extends string> =
  operations[Operation]["parameters"]["path"] extends Record<Parameter, infer Value> ? Value : never;

/** Fields of a form, which is sent as `multipart/form-data` or URL-encoded. */
export type FormFields = Record<string, string | Blob>;

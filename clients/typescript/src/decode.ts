const NO_BODY = [204, 205, 304];

/** Read a body by its content type: JSON is parsed, other text is a string, the rest a `Blob`; none is undefined. */
export async function decode(response: Response): Promise<unknown> {
  if (NO_BODY.includes(response.status) || response.body === null || response.bodyUsed) return undefined;
  const [type = ""] = (response.headers.get("Content-Type") ?? "").toLowerCase().split(";");
  if (type.trim() === "text/event-stream") return response.body;
  if (/[/+]json\s*$/.test(type)) {
    const text = await response.text();
    return text ? JSON.parse(text) : undefined;
  }
  if (type.startsWith("text/") || /mpegurl|xml/.test(type)) return response.text();
  const blob = await response.blob();
  return blob.size ? blob : undefined;
}

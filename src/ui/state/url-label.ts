/** A short name for a model's address: its last path segment, or its host. */
export function urlLabel(url: URL): string {
  const segment = url.pathname.split('/').filter(Boolean).at(-1);
  if (segment === undefined) return url.host;
  try {
    return decodeURIComponent(segment);
  } catch {
    return segment;
  }
}

// How is a text kept within the length that the API server accepts? It counts code points.

/** At most `maxLength` characters; one that is shorter than it was ends in "…". */
export function cutText(text: string, maxLength: number): string {
  if (text.length <= maxLength) return text;
  const points = Array.from(text);
  return points.length <= maxLength ? text : `${points.slice(0, maxLength - 1).join('')}…`;
}

// How is a text kept within the length that the API server accepts? A schema counts code points, an Event's note bytes.
const CUT = '…';

/** At most `max` code points; a text that had to be cut ends in "…". */
export function cutToCharacters(text: string, max: number): string {
  if (text.length <= max) return text;
  const points = Array.from(text);
  return points.length <= max ? text : `${points.slice(0, max - 1).join('')}${CUT}`;
}

/** At most `max` bytes of UTF-8; a text that had to be cut ends in "…". */
export function cutToBytes(text: string, max: number): string {
  const bytes = Buffer.from(text);
  if (bytes.length <= max) return text;
  const kept = new TextDecoder().decode(bytes.subarray(0, max - Buffer.byteLength(CUT)), { stream: true });
  return `${kept}${CUT}`;
}

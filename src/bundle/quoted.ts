// How does foreign text stand in a message? Short, on one line, and so that nobody takes it for the message itself.

const MAX_CHARACTERS = 80;

/** In double quotes; what is no plain character is written as JSON escapes it. */
export function quoted(text: string): string {
  return JSON.stringify(cut(text));
}

/** The beginning of a text that is one line already. */
export function cut(text: string): string {
  return text.length <= MAX_CHARACTERS ? text : `${text.slice(0, MAX_CHARACTERS)}…`;
}

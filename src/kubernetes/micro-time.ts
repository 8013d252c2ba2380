// How is an instant written where Kubernetes asks for a metav1.MicroTime or a metav1.Time?

/** metav1.MicroTime takes six digits after the point, no more and no fewer. */
export function microTime(instant: Date): string {
  return instant.toISOString().replace(/Z$/, '000Z');
}

/** metav1.Time: whole seconds. */
export function wholeSeconds(instant: Date): string {
  return instant.toISOString().replace(/\.\d+Z$/, 'Z');
}

// How is a gauge written whose series were all measured just now? (Prometheus text exposition format 0.0.4)

export interface Sample<Label extends string = string> {
  readonly labels: Readonly<Record<Label, string>>;
  /** A date is written in seconds since 1970. */
  readonly value: number | bigint | Date;
}

/**
 * Without a registry in between: prom-client keeps two objects and a key for each series, anew at each scrape, and a
 * thousand peers have ten thousand of them.
 */
export function gaugeText(name: string, help: string, samples: readonly Sample[]): string {
  let text = `# HELP ${name} ${escaped(help)}\n# TYPE ${name} gauge`;
  for (const { labels, value } of samples) text += `\n${name}{${labelsText(labels)}} ${valueText(value)}`;
  return text;
}

function labelsText(labels: Sample['labels']): string {
  let text = '';
  for (const [name, value] of Object.entries(labels)) {
    text += `${text === '' ? '' : ','}${name}="${escaped(value).replaceAll('"', '\\"')}"`;
  }
  return text;
}

function escaped(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n');
}

function valueText(value: Sample['value']): string {
  return value instanceof Date ? `${value.getTime() / 1000}` : value.toString();
}

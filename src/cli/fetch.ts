// What does a bundle endpoint answer? The document goes to stdout as it came, what it holds to stderr.
import { parseBundleDocument } from '../bundle/bundle-document.ts';
import { parseTrustDomain } from '../bundle/trust-domain.ts';
import { createBundleSource } from '../bundle-endpoint/fetch-bundle.ts';
import { systemClock } from '../federation/clock.ts';
import { bundleText } from './bundle-text.ts';
import { onlyPositional, textFlag, UsageError, type Command } from './command.ts';
import { ENDPOINT_FLAGS, ENDPOINT_USAGE, endpointTrust } from './endpoint-flags.ts';
import { documentLimits, fetchLimits } from './wiring.ts';

export const fetchCommand: Command = {
  name: 'fetch',
  usage: `URL --trust-domain TD ${ENDPOINT_USAGE}`,
  summary: 'fetch a bundle document and print it; changes nothing',
  flags: { ...ENDPOINT_FLAGS, 'trust-domain': 'Text' },
  async run(context) {
    const url = onlyPositional(context, 'URL');
    const name = textFlag(context, 'trust-domain');
    if (name === undefined) throw new UsageError('--trust-domain is missing: it is never inferred from a URL');
    const trustDomain = parseTrustDomain(name);
    const source = createBundleSource({ limits: fetchLimits(context.config), clock: systemClock });
    const answer = await source.fetch({ url, trust: await endpointTrust(context) }, context.signal);
    if (answer.kind !== 'Document') throw new Error('the endpoint answered "not modified" without being asked for it');
    context.print(Buffer.from(answer.body).toString('utf8'));
    const { bundle, findings } = parseBundleDocument(answer.body, trustDomain, documentLimits(context.config));
    const notes = findings.map(({ ruleId, message }) => `${ruleId}: ${message}`);
    context.explain([...bundleText(bundle), ...notes, ''].join('\n'));
    return 0;
  },
};

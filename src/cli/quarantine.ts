// How is a peer cut off everywhere by one command, with a way back?
import { serializeBundle } from '../bundle/bundle-document.ts';
import { parseTrustDomain } from '../bundle/trust-domain.ts';
import { MAX_LAST_GOOD_BYTES, quarantine, type WrittenDeclaration } from '../federation/declaration-edit.ts';
import { onlyPositional, textFlag, UsageError, type Command, type CommandContext } from './command.ts';
import { editDeclaration } from './edit-declaration.ts';
import { connectSpire } from './wiring.ts';

/** The cut must not wait for a SPIRE Server that does not answer. */
const LAST_GOOD_TIMEOUT_MS = 3_000;
const MAX_REASON_CHARACTERS = 1024;
const DEFAULT_HINT_SECONDS = 300;

export const quarantineCommand: Command = {
  name: 'quarantine',
  usage: 'PEER --reason TEXT',
  summary: 'cut a declared peer off everywhere: links, mesh and bundle; "release PEER" restores it',
  flags: { reason: 'Text' },
  async run(context) {
    const name = onlyPositional(context, 'PEER');
    const reason = textFlag(context, 'reason')?.trim() ?? '';
    if (reason === '') throw new UsageError('--reason TEXT is missing: whoever finds the peer cut off must know why');
    if (reason.length > MAX_REASON_CHARACTERS)
      throw new UsageError(`--reason may have at most ${MAX_REASON_CHARACTERS} characters`);
    const where = await editDeclaration(context, name, async (declaration) =>
      quarantine(reason, await lastGood(declaration, context)),
    );
    context.print(`${where}: quarantined; the running broker takes its links, mesh roots and bundle away at once\n`);
    return 0;
  },
};

/** What SPIRE holds, as a document; undefined where there is none or it cannot be kept, which is said. */
async function lastGood(declaration: WrittenDeclaration, context: CommandContext): Promise<string | undefined> {
  const signal = AbortSignal.any([context.signal, AbortSignal.timeout(LAST_GOOD_TIMEOUT_MS)]);
  try {
    const { spire } = await connectSpire(context.config, signal);
    try {
      const bundle = await spire.getFederatedBundle(parseTrustDomain(declaration.trustDomain), signal);
      if (bundle === undefined) return undefined;
      const refreshHintSeconds = bundle.refreshHintSeconds ?? DEFAULT_HINT_SECONDS;
      const text = serializeBundle(bundle, { refreshHintSeconds }).toString('utf8').trim();
      if (Buffer.byteLength(text) <= MAX_LAST_GOOD_BYTES) return text;
      throw new Error(`it has more than ${MAX_LAST_GOOD_BYTES} bytes`);
    } finally {
      spire.close();
    }
  } catch (error) {
    context.signal.throwIfAborted();
    context.explain(
      `the last good bundle cannot be kept (${(error as Error).message}): after "release" an https_spiffe endpoint proves itself by spec.trustDomainBundle or policy.pin\n`,
    );
    return undefined;
  }
}

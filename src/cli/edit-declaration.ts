// Which declaration does a command change, and where does it stand? In files or as an object, as the settings say.
import { isDigest } from '../federation/peer-annotations.ts';
import type { DeclarationEdit, DeclarationStore, WrittenDeclaration } from '../federation/declaration-edit.ts';
import { peerObjectStore } from '../kubernetes/edit-peer-object.ts';
import { peerFileStore } from '../peer-files/edit-peer-file.ts';
import { textFlag, UsageError, type CommandContext } from './command.ts';
import { openKubernetes } from './open-kubernetes.ts';

/** Finds the one declaration, writes what `editOf` says, and tells where: SPIRE is not asked. */
export async function editDeclaration(
  context: CommandContext,
  name: string,
  editOf: (declaration: WrittenDeclaration) => DeclarationEdit | Promise<DeclarationEdit>,
): Promise<string> {
  const { config, signal } = context;
  const api = config.kubernetes === 'off' ? undefined : await openKubernetes(config);
  try {
    const store: DeclarationStore = api === undefined ? peerFileStore(config.peersDirectory) : peerObjectStore(api);
    const where = api === undefined ? `in ${config.peersDirectory}` : 'by a PeerTrustDomain object';
    const [declaration, ...others] = await store.find(name, signal);
    if (declaration === undefined) throw new UsageError(`no peer "${name}" is declared ${where}`);
    if (others.length > 0) throw new UsageError(`several declarations ${where} are of "${name}"; name one of them`);
    return await store.edit(declaration, await editOf(declaration), signal);
  } finally {
    api?.close();
  }
}

/** The digest of `--digest`, in lower case; undefined without it. */
export function digestFlag(context: Pick<CommandContext, 'flags'>): string | undefined {
  const digest = textFlag(context, 'digest');
  if (digest !== undefined && !isDigest(digest)) {
    throw new UsageError('--digest must be 64 hexadecimal digits, as "fedbroker inspect" shows them');
  }
  return digest?.toLowerCase();
}

// Which SPIRE Server does the demo run? The one inside this process; `real-spire.ts` has the other one.
import { join } from 'node:path';
import type { TrustDomain } from '../../bundle/trust-domain.ts';
import { startDevSpire } from '../../dev-spire/dev-spire.ts';
import type { X509SigningAuthority } from '../../dev-spire/x509-authority.ts';

export interface RunningSpire {
  /** Of its Server API. */
  readonly socketPath: string;
  /** The authority that signs now, as somebody has it who broke into the server. */
  readonly stealAuthority: () => Promise<X509SigningAuthority>;
  readonly stop: () => Promise<void>;
}

export interface SpireStarter {
  /** As the demo's result names it: `embedded`, or the program's version, for example `1.15.3`. */
  readonly version: string;
  /** Resolves when it serves. Whatever it writes is below `folder`, which exists. */
  readonly start: (trustDomain: TrustDomain, folder: string) => Promise<RunningSpire>;
}

export const embeddedSpire: SpireStarter = {
  version: 'embedded',
  async start(trustDomain, folder) {
    const spire = await startDevSpire({ trustDomain, socketPath: join(folder, 'spire.sock') });
    return {
      socketPath: spire.socketPath,
      stealAuthority: () => Promise.resolve(spire.signingAuthority),
      stop: () => spire.stop(),
    };
  },
};

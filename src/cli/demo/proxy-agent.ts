// What does an Envoy in a mesh read, and when is it written anew? Listeners as istiod says, secrets as the agent beside it makes them.
import { toPem } from '../../bundle/certificate.ts';
import { envoyFiles, type EnvoyFiles } from './envoy-files.ts';
import type { Json } from './envoy-resources.ts';
import { inboundHttpListener, OWN_CERTIFICATE, ROOTS } from './istio-envoy.ts';
import type { Push } from './istiod-stand-in.ts';
import { mergedRoots } from './merged-roots.ts';
import type { WorkloadContext } from './workload-context.ts';

/** The mesh's CA is SPIRE's: the Envoy has its workload's SVID, and SPIRE's roots for its own trust domain. */
export class ProxyAgent {
  readonly #files: EnvoyFiles;
  readonly #port: number;
  #push: Push | undefined;
  #context: WorkloadContext | undefined;
  #rootsPem: string | undefined;
  #chainPem: string | undefined;

  /** `port`: where the workload is reached through Envoy. */
  constructor(folder: string, port: number) {
    this.#files = envoyFiles(folder);
    this.#port = port;
  }

  /** For Envoy's bootstrap. */
  get dynamicResources(): Json {
    return this.#files.dynamicResources;
  }

  /** Whether an Envoy could start. */
  get isComplete(): boolean {
    return this.#push !== undefined && this.#context !== undefined;
  }

  /** How often the names that are accepted were written, each time a drain of every connection; once at the start. */
  get listWrites(): number {
    return this.#files.listenerWrites();
  }

  takePush(push: Push): void {
    this.#push = push;
    this.#write();
  }

  takeContext(context: WorkloadContext): void {
    this.#context = context;
    this.#write();
  }

  #write(): void {
    if (this.#push === undefined || this.#context === undefined) return;
    const { svid, ownRoots } = this.#context;
    this.#files.writeListeners([inboundHttpListener(this.#files.secretOf, this.#push.sanPrefixes, this.#port)]);
    const rootsPem = mergedRoots(ownRoots.map(toPem).join(''), this.#push.trustAnchors);
    if (rootsPem !== this.#rootsPem) this.#files.writeRoots(ROOTS, rootsPem);
    this.#rootsPem = rootsPem;
    if (svid.chainPem !== this.#chainPem) {
      this.#files.writeCertificate(OWN_CERTIFICATE, { pem: svid.chainPem, keyPem: svid.keyPem });
    }
    this.#chainPem = svid.chainPem;
  }
}

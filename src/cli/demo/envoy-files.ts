// How does a running Envoy get its listeners and secrets from files? (xDS over the filesystem: a file is moved into place)
import { mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Json } from './envoy-resources.ts';

const LISTENER = 'type.googleapis.com/envoy.config.listener.v3.Listener';
const SECRET = 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret';

export interface EnvoyFiles {
  /** The `dynamic_resources` of the bootstrap. */
  readonly dynamicResources: Json;
  /** Where a TLS context finds the secret of this name. */
  readonly secretOf: (name: string) => Json;
  /** Writes nothing when it would write the bytes that are there. */
  writeListeners(listeners: readonly Json[]): void;
  /** How many times listeners were written: it stays the same as long as no listener has to change. */
  readonly listenerWrites: () => number;
  /** A listener that waits for this secret accepts nobody. */
  writeNothing(name: string): void;
  /** `trusted_ca`, whatever is in it. */
  writeRoots(name: string, pem: string): void;
  writeCertificate(name: string, certificate: { readonly pem: string; readonly keyPem: string }): void;
}

/** The files are in the folder `xds` in `folder`. */
export function envoyFiles(folder: string): EnvoyFiles {
  const xds = join(folder, 'xds');
  const listenersPath = join(xds, 'listeners.json');
  mkdirSync(xds, { mode: 0o700 });
  let listenerBytes: string | undefined;
  let listenerWrites = 0;
  const secretPath = (name: string): string => join(xds, `${encodeURIComponent(name)}.json`);
  const source = (path: string): Json => ({ resource_api_version: 'V3', path_config_source: { path } });
  const writeResources = (name: string, resources: readonly Json[]): void => {
    replaceFile(secretPath(name), JSON.stringify({ resources }));
  };
  const writeSecret = (name: string, fields: Json): void => {
    writeResources(name, [{ '@type': SECRET, name, ...fields }]);
  };
  return {
    dynamicResources: { lds_config: source(listenersPath) },
    secretOf: (name) => ({ name, sds_config: source(secretPath(name)) }),
    writeListeners: (listeners) => {
      const bytes = JSON.stringify({ resources: listeners.map((fields) => ({ '@type': LISTENER, ...fields })) });
      if (bytes === listenerBytes) return;
      replaceFile(listenersPath, bytes);
      listenerBytes = bytes;
      listenerWrites++;
    },
    listenerWrites: () => listenerWrites,
    writeNothing: (name) => {
      writeResources(name, []);
    },
    writeRoots: (name, pem) => {
      writeSecret(name, { validation_context: { trusted_ca: inline(pem) } });
    },
    writeCertificate: (name, { pem, keyPem }) => {
      writeSecret(name, { tls_certificate: { certificate_chain: inline(pem), private_key: inline(keyPem) } });
    },
  };
}

function inline(pem: string): Json {
  return { inline_bytes: Buffer.from(pem).toString('base64') };
}

/** Envoy reads a file again when another is moved onto it. */
function replaceFile(path: string, text: string): void {
  writeFileSync(`${path}.new`, text, { mode: 0o600 });
  renameSync(`${path}.new`, path);
}

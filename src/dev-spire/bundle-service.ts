// What does SPIRE Server answer about bundles? (spire.api.server.bundle.v1.Bundle)
import { X509Certificate } from 'node:crypto';
import { clone, create } from '@bufbuild/protobuf';
import { status as GrpcStatus } from '@grpc/grpc-js';
import type { TrustDomain } from '../bundle/trust-domain.ts';
import {
  BatchDeleteFederatedBundleRequest_Mode as Mode,
  type Bundle as BundleService,
} from '../spire/gen/spire/api/server/bundle/v1/bundle_pb.ts';
import { BundleSchema, type Bundle, type BundleMask } from '../spire/gen/spire/api/types/bundle_pb.ts';
import type { ServiceHandlers } from './grpc-listener.ts';
import { checkPublicKey, unixSeconds } from './jwt-authority.ts';
import { trustDomainFromText } from './names.ts';
import type { OwnBundle } from './own-bundle.ts';
import { itemResult, RpcError, within } from './rpc-error.ts';
import { deleteBundle, type DeleteMode, type Store } from './store.ts';

const { INVALID_ARGUMENT, NOT_FOUND } = GrpcStatus;

const DELETE_MODES: ReadonlyMap<Mode, DeleteMode> = new Map<Mode, DeleteMode>([
  [Mode.RESTRICT, 'RESTRICT'],
  [Mode.DELETE, 'DELETE'],
  [Mode.DISSOCIATE, 'DISSOCIATE'],
]);

export function bundleService(
  own: TrustDomain,
  ownBundle: OwnBundle,
  store: Store,
): ServiceHandlers<typeof BundleService> {
  /** The trust domain of a request, which must not be our own. */
  function foreignTrustDomain(text: string, refusal: string): TrustDomain {
    const trustDomain = within('trust domain argument is not valid', INVALID_ARGUMENT, () => trustDomainFromText(text));
    if (trustDomain === own) throw new RpcError(INVALID_ARGUMENT, refusal);
    return trustDomain;
  }

  return {
    countBundles: () => ({ count: store.bundles.size }),

    getBundle: ({ outputMask }) => masked(ownBundleMessage(own, ownBundle), outputMask),

    listFederatedBundles({ outputMask, pageSize, pageToken }) {
      const { rows, nextPageToken } = store.bundles.page(pageSize, pageToken);
      // SPIRE takes its own bundle out after the page was cut.
      const foreign = rows.filter((bundle) => bundle.trustDomain !== own);
      return { bundles: foreign.map((bundle) => masked(bundle, outputMask)), nextPageToken };
    },

    getFederatedBundle(request) {
      const trustDomain = foreignTrustDomain(
        request.trustDomain,
        "getting a federated bundle for the server's own trust domain is not allowed",
      );
      const bundle = store.bundles.get(trustDomain);
      if (bundle === undefined) throw new RpcError(NOT_FOUND, 'bundle not found');
      return masked(bundle, request.outputMask);
    },

    batchSetFederatedBundle({ bundle: bundles, outputMask }) {
      const results = bundles.map((bundle) =>
        itemResult(() => {
          foreignTrustDomain(
            bundle.trustDomain,
            "setting a federated bundle for the server's own trust domain is not allowed",
          );
          const stored = within('failed to convert bundle', INVALID_ARGUMENT, () => storableBundle(bundle));
          store.bundles.set(stored.trustDomain, stored);
          return { bundle: masked(stored, outputMask) };
        }),
      );
      return { results };
    },

    batchDeleteFederatedBundle({ trustDomains, mode }) {
      const deleteMode = DELETE_MODES.get(mode);
      if (deleteMode === undefined) {
        throw new RpcError(INVALID_ARGUMENT, `failed to parse deletion mode: unhandled delete mode "${mode}"`);
      }
      const results = trustDomains.map((text) => ({
        ...itemResult(() => {
          const refusal = 'removing the bundle for the server trust domain is not allowed';
          deleteBundle(store, foreignTrustDomain(text, refusal), deleteMode);
          return {};
        }),
        trustDomain: text,
      }));
      return { results };
    },
  };
}

/**
 * A bundle as SPIRE stores it: sequence number, refresh hint, order and repetitions as given, without tainted marks and
 * WIT authorities. Throws Error with SPIRE's text.
 */
export function storableBundle(bundle: Bundle): Bundle {
  const x509Authorities = bundle.x509Authorities.map(({ asn1 }) => {
    if (!holdsCertificates(asn1)) throw new Error('unable to parse X.509 authority: x509: malformed certificate');
    return { asn1 };
  });
  const jwtAuthorities = bundle.jwtAuthorities.map(({ publicKey, keyId, expiresAt }) => {
    try {
      checkPublicKey(publicKey);
    } catch (error) {
      throw new Error(`unable to parse JWT authority: ${(error as Error).message}`);
    }
    if (keyId === '') throw new Error('unable to parse JWT authority: missing key ID');
    return { publicKey, keyId, expiresAt };
  });
  return create(BundleSchema, {
    trustDomain: trustDomainFromText(bundle.trustDomain),
    x509Authorities,
    jwtAuthorities,
    refreshHint: bundle.refreshHint,
    sequenceNumber: bundle.sequenceNumber,
  });
}

export function ownBundleMessage(own: TrustDomain, ownBundle: OwnBundle): Bundle {
  return create(BundleSchema, {
    trustDomain: own,
    x509Authorities: ownBundle.authorities('x509').map(({ der, tainted }) => ({ asn1: der, tainted })),
    jwtAuthorities: ownBundle.authorities('jwt').map(({ der, id, expiresAt, tainted }) => ({
      publicKey: der,
      keyId: id,
      expiresAt: BigInt(unixSeconds(expiresAt)),
      tainted,
    })),
    sequenceNumber: ownBundle.sequenceNumber,
  });
}

function masked(bundle: Bundle, mask: BundleMask | undefined): Bundle {
  const answer = clone(BundleSchema, bundle);
  if (mask === undefined) return answer;
  if (!mask.x509Authorities) answer.x509Authorities = [];
  if (!mask.jwtAuthorities) answer.jwtAuthorities = [];
  if (!mask.refreshHint) answer.refreshHint = 0n;
  if (!mask.sequenceNumber) answer.sequenceNumber = 0n;
  return answer;
}

/** SPIRE accepts any number of certificates one after the other in one authority, also none. */
function holdsCertificates(der: Uint8Array): boolean {
  let rest = Buffer.from(der);
  while (rest.length > 0) {
    try {
      const { raw } = new X509Certificate(rest);
      if (!rest.subarray(0, raw.length).equals(raw)) return false;
      rest = rest.subarray(raw.length);
    } catch {
      return false;
    }
  }
  return true;
}

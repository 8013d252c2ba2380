// What can the API server refuse beyond types and sizes? (CEL, x-kubernetes-validations; the broker checks all of it again)
import { URL_FORM } from '../federation/declared-endpoint.ts';

/** A rule at one field of the resource. */
export interface ResourceRule {
  /** Field names from the resource's root; `[]` stands for the items of a list. */
  readonly at: string;
  /** CEL; `self` is the field's value. It is not looked at when the field is absent. */
  readonly rule: string;
  /** Follows the field's path. */
  readonly message: string;
  /** The field below `at` that is to blame. */
  readonly fieldPath?: string;
}

const DOMAIN = '[a-z0-9._-]{1,255}';
const SEGMENT = '[A-Za-z0-9._-]+';
const NO_DOT_SEGMENT = `!self.matches('[^/]/[.]{1,2}(/|$)')`;

// Its rules are at the object around it: the API server repeats the value a rule is at, here with a password in it.
const URL_FIELD = 'self.bundleEndpointURL';

const PATTERN_RULE = `self.matches('^spiffe://${DOMAIN}(/([*]{1,2}|${SEGMENT}))*$') && ${NO_DOT_SEGMENT}`;
const PATTERN_MESSAGE =
  'is not a SPIFFE ID pattern; write it like spiffe://east.example/ns/*/api, where "*" stands for one path segment ' +
  'and "**" for any number';

const DURATION_RULE = `self.matches('^([0-9]{1,9}h)?([0-9]{1,9}m)?([0-9]{1,9}s)?$') && self.matches('[1-9]')`;
const DURATION_MESSAGE = 'is not a duration; write it like "30s", "5m" or "1h"';

export const RESOURCE_RULES: readonly ResourceRule[] = [
  {
    at: 'spec',
    rule: `!has(self.webPKI) || (self.bundleEndpointProfile.type == 'https_web' && (!has(self.mode) || self.mode == 'Own'))`,
    message:
      'belongs to https_web with mode Own only: https_spiffe trusts the peer’s own roots, and SPIRE’s own poller (mode Delegate) trusts public roots',
    fieldPath: '.webPKI',
  },
  {
    at: 'spec.trustDomain',
    rule: `self.matches('^${DOMAIN}$')`,
    message:
      'is not a trust domain name: only lower-case letters, digits, dot, dash and underscore are allowed, without the scheme',
  },
  {
    at: 'spec.trustDomain',
    rule: 'self == oldSelf',
    message: 'cannot be changed: delete this object and create another for the other trust domain',
  },
  {
    at: 'spec',
    rule: `${URL_FIELD}.matches(r'${URL_FORM.source}')`,
    message: 'is not a URL; write it like "https://bundle.west.example/"',
    fieldPath: '.bundleEndpointURL',
  },
  {
    at: 'spec',
    rule: `!${URL_FIELD}.contains('://') || ${URL_FIELD}.matches('^(?i)https://')`,
    message: 'must be an https URL',
    fieldPath: '.bundleEndpointURL',
  },
  {
    at: 'spec',
    rule: `!${URL_FIELD}.matches('^[^/]*//[^/?#]*@')`,
    message: 'must not contain a user name or password',
    fieldPath: '.bundleEndpointURL',
  },
  {
    at: 'spec',
    rule: `!${URL_FIELD}.contains('#')`,
    message: 'must not have a fragment',
    fieldPath: '.bundleEndpointURL',
  },
  {
    at: 'spec.bundleEndpointProfile',
    rule: `self.type != 'https_spiffe' || has(self.endpointSPIFFEID)`,
    message: 'is required with https_spiffe: whose SVID the endpoint presents',
    fieldPath: '.endpointSPIFFEID',
  },
  {
    at: 'spec.bundleEndpointProfile',
    rule: `self.type != 'https_web' || !has(self.endpointSPIFFEID)`,
    message: 'belongs to https_spiffe only; an https_web endpoint has no SVID',
    fieldPath: '.endpointSPIFFEID',
  },
  {
    at: 'spec.bundleEndpointProfile.endpointSPIFFEID',
    rule: `self.matches('^spiffe://${DOMAIN}(/${SEGMENT})*$') && ${NO_DOT_SEGMENT}`,
    message: 'is not a SPIFFE ID; write it like spiffe://west.example/federation-broker',
  },
  {
    at: 'spec.trustDomainBundle',
    rule: '[has(self.inline), has(self.configMapRef), has(self.secretRef)].exists_one(given, given)',
    message: 'needs exactly one of inline, configMapRef, secretRef',
  },
  {
    at: 'spec.federatesWith',
    rule: 'has(self.entries) || has(self.clusterSPIFFEIDs)',
    message: 'needs entries or clusterSPIFFEIDs',
  },
  {
    at: 'spec.federatesWith.entries[]',
    rule: 'has(self.spiffeID) || has(self.parentID) || has(self.selectors) || has(self.hint)',
    message: 'needs at least one of spiffeID, parentID, selectors and hint; every entry is spiffeID "spiffe://…/**"',
  },
  { at: 'spec.federatesWith.entries[].spiffeID', rule: PATTERN_RULE, message: PATTERN_MESSAGE },
  { at: 'spec.federatesWith.entries[].parentID', rule: PATTERN_RULE, message: PATTERN_MESSAGE },
  {
    at: 'spec.federatesWith.entries[].selectors[]',
    rule: `self.matches('(?s)^[^:]+:.')`,
    message: 'is not a selector; write type and value like "unix:uid:0"',
  },
  {
    at: 'spec.federatesWith.clusterSPIFFEIDs',
    rule:
      '(has(self.matchLabels) && size(self.matchLabels) > 0) || ' +
      '(has(self.matchExpressions) && size(self.matchExpressions) > 0)',
    message: 'needs at least one label or expression; an empty selector would choose every ClusterSPIFFEID',
  },
  {
    at: 'spec.federatesWith.clusterSPIFFEIDs.matchExpressions[]',
    rule: `!(self.operator in ['In', 'NotIn']) || (has(self.values) && size(self.values) > 0)`,
    message: 'In and NotIn need at least one value',
    fieldPath: '.values',
  },
  {
    at: 'spec.federatesWith.clusterSPIFFEIDs.matchExpressions[]',
    rule: `self.operator in ['In', 'NotIn'] || !has(self.values) || size(self.values) == 0`,
    message: 'Exists and DoesNotExist take no values',
    fieldPath: '.values',
  },
  {
    at: 'spec.istio',
    rule: `self.anchors != 'Flat' || (has(self.acknowledgeRisk) && self.acknowledgeRisk)`,
    message: 'must be true with Flat: the peer’s CA could then vouch for any name, ours included',
    fieldPath: '.acknowledgeRisk',
  },
  {
    at: 'spec.istio.gatewayCAs[]',
    rule: 'has(self.configMap) != has(self.secret)',
    message: 'needs exactly one of configMap, secret',
  },
  { at: 'spec.policy.staleAfter', rule: DURATION_RULE, message: DURATION_MESSAGE },
  { at: 'spec.policy.expireAfter', rule: DURATION_RULE, message: DURATION_MESSAGE },
  {
    at: 'spec.policy',
    rule: `!has(self.onExpired) || self.onExpired != 'Cut' || has(self.expireAfter)`,
    message: 'is required with onExpired: Cut',
    fieldPath: '.expireAfter',
  },
  {
    at: 'spec',
    rule: `!has(self.policy) || !has(self.policy.pin) || size(self.policy.pin) == 0 || !has(self.mode) || self.mode == 'Own'`,
    message: 'belongs to mode Own only: SPIRE’s own poller (mode Delegate) knows no pins',
    fieldPath: '.policy.pin',
  },
  {
    at: 'spec',
    rule: `!has(self.policy) || !has(self.policy.onExpired) || self.policy.onExpired != 'Cut' || !has(self.mode) || self.mode == 'Own'`,
    message: 'Cut belongs to mode Own only: with Delegate nobody but SPIRE knows when the peer answered last',
    fieldPath: '.policy.onExpired',
  },
];

// Would the simulation notice? Faults put into the product, one at a time, and the promise that each breaks.

export interface Mutation {
  /** What the broken product does. */
  readonly does: string;
  /** Relative to the project. */
  readonly file: string;
  /** Stands in the file once. */
  readonly find: string;
  readonly replace: string;
}

export const MUTATIONS: readonly Mutation[] = [
  {
    does: 'stores a bundle without X.509 authorities',
    file: 'src/federation/acceptance-rules.ts',
    find: 'bundle.x509Authorities.length === 0\n        ?',
    replace: 'bundle.x509Authorities.length === -1\n        ?',
  },
  {
    does: 'believes a lower sequence number',
    file: 'src/federation/acceptance-rules.ts',
    find: 'bundle.sequenceNumber < held.sequenceNumber',
    replace: 'bundle.sequenceNumber < 0n',
  },
  {
    does: 'forgets the number when a document has none',
    file: 'src/federation/acceptance.ts',
    find: 'bundle.sequenceNumber === undefined && held?.sequenceNumber !== undefined\n    ?',
    replace: 'bundle.sequenceNumber === undefined && held?.sequenceNumber === 0n\n    ?',
  },
  {
    does: 'takes a root that another trust domain has already',
    file: 'src/bundle/root-rules.ts',
    find: 'const others = owners.filter((owner) => owner !== claimant);',
    replace: 'const others = owners.filter((owner) => owner === undefined);',
  },
  {
    does: 'takes a root of our own for a peer’s',
    file: 'src/broker/fact-board.ts',
    find: "const own = this.#facts.ownBundle.state === 'Known' ? this.#facts.ownBundle.value : undefined;",
    replace: 'const own = undefined;',
  },
  {
    does: 'withdraws peers while declarations cannot be read in full',
    file: 'src/federation/plan.ts',
    find: 'const complete = declared.value.incompleteBecause === undefined;',
    replace: 'const complete = true;',
  },
  {
    does: 'takes declarations that cannot be read for none',
    file: 'src/broker/broker.ts',
    find: "if (result instanceof Error && this.#board.fact('declared').state === 'Known') return;",
    replace: 'if (result instanceof Error) result = { peers: [], incompleteBecause: undefined };',
  },
  {
    does: 'takes an unreadable list of bundles for an empty one',
    file: 'src/broker/fact-board.ts',
    find: "if (fact.state === 'Unreadable') {\n      this.#stored = fact;",
    replace:
      "if (fact.state === 'Unreadable') {\n      this.#stored = { state: 'Known', value: new Map(), at: fact.at };",
  },
  {
    does: 'does not record what it manages',
    file: 'src/federation/plan.ts',
    find: 'const changed = added.length > 0 || record.size !== spire.managed.size;',
    replace: 'const changed = record.size < spire.managed.size;',
  },
  {
    does: 'writes after its lease is over',
    file: 'src/kubernetes/tenure.ts',
    find: 'this.#cancelDeadline();\n    this.#over.abort();',
    replace: 'this.#cancelDeadline();',
  },
  {
    does: 'names a document to its peer that was merely seen',
    file: 'src/broker/gather-peer.ts',
    find: 'document !== undefined && this.#parts.isApplied(document.content) ? document.etag : undefined',
    replace: 'document?.etag',
  },
  {
    does: 'forgets to ask again after a failed fetch',
    file: 'src/broker/gather-peer.ts',
    find: 'if (this.#wakeCount !== wakeCount) continue;\n      const delayMs = this.#delayMs();',
    replace:
      'if (this.#wakeCount !== wakeCount) continue;\n      const delayMs = this.#state.failedAttempts > 3 ? 1e9 : this.#delayMs();',
  },
  {
    does: 'forgets to run a failed pass again',
    file: 'src/broker/pass-runner.ts',
    find: 'this.#cancelRetry = this.#clock.after(delayMs, () => void this.request());',
    replace: 'void delayMs;',
  },
  {
    does: 'loses a trigger that comes during a pass',
    file: 'src/broker/pass-runner.ts',
    find: 'const served = this.#waiting;\n      this.#waiting = [];\n      const startMs = this.#clock.now().getTime();\n      if (!this.#stopping.signal.aborted) await this.#runOnce();',
    replace:
      'const startMs = this.#clock.now().getTime();\n      if (!this.#stopping.signal.aborted) await this.#runOnce();\n      const served = this.#waiting;\n      this.#waiting = [];',
  },
  {
    does: 'goes on believing a document after somebody set the bundle by hand',
    file: 'src/broker/fact-board.ts',
    find: 'this.#fetched.set(trustDomain, { ...fetch, document: undefined });',
    replace: 'void fetch;',
  },
  {
    does: 'lets a new root sign for its endpoint at once',
    file: 'src/bundle-endpoint/serving-svid-choice.ts',
    find: 'const isTooNew = servedMs < servedBeforeSigningSeconds(refreshHintSeconds) * 1000;',
    replace: 'const isTooNew = servedMs < 0;',
  },
  {
    does: 'lets a root sign for its endpoint that a peer has told to lack',
    file: 'src/federation/acknowledgement.ts',
    find: 'return acknowledgements.some(({ holds }) => holds !== undefined && !holds.x509Authorities.includes(fingerprint));',
    replace: 'return fingerprint.length < acknowledgements.length;',
  },
  {
    does: 'writes the links of entries at every pass',
    file: 'src/federation/entry-links.ts',
    find: 'for (const entry of chosen) if (!naming.has(entry)) changes.add(entry, peer.trustDomain);',
    replace: 'for (const entry of chosen) changes.add(entry, peer.trustDomain);',
  },
  {
    does: 'takes from entries whatever it did not declare',
    file: 'src/federation/entry-links.ts',
    find: 'const links = new Set(change.entry.federatesWith);',
    replace: 'const links = new Set<TrustDomain>();',
  },
  {
    does: 'ends relationships that are not its own',
    file: 'src/federation/removal.ts',
    find: "spire.managed.get(trustDomain) === 'Delegate' ? undelegationSteps(trustDomain, facts, spire) : []",
    replace: '[...spire.relationships.keys()].flatMap((name) => undelegationSteps(name, facts, spire))',
  },
  {
    does: 'stores bundles while SPIRE itself still fetches them',
    file: 'src/federation/plan.ts',
    find: 'if (undelegation.length === 0) return storingStep(plan, facts);',
    replace:
      "if (plan.verdict?.verdict === 'accepted') return [{ kind: 'StoreBundle', trustDomain: peer.trustDomain, bundle: plan.verdict.bundle }, ...undelegation];",
  },
  {
    does: 'takes what SPIRE itself fetches for the work of a second writer',
    file: 'src/broker/fact-board.ts',
    find: 'if (!this.#isPolled(trustDomain)) this',
    replace: 'this',
  },
  {
    does: 'leaves SPIRE’s poller without a bundle when somebody deleted it',
    file: 'src/federation/delegation.ts',
    find: "    ...(given === undefined ? [] : [{ kind: 'StoreBundle', trustDomain, bundle: given } as const]),\n",
    replace: '',
  },
  {
    does: 'lets SPIRE store a declared bundle over a newer one',
    file: 'src/federation/delegation.ts',
    find: 'if (stored.has(peer.trustDomain)) return undefined;',
    replace: '',
  },
  {
    does: 'changes a peer’s links when it is out of reach of the API server',
    file: 'src/federation/plan.ts',
    find: 'if (limits.upkeepOnly === true || ',
    replace: 'if (',
  },
  {
    does: 'carries out its plan whatever is declared meanwhile',
    file: 'src/broker/apply.ts',
    find: '...[...names].filter(parts.isOverruled)',
    replace: '',
  },
  {
    does: 'takes its own late writes for those of somebody else',
    file: 'src/broker/fact-board.ts',
    find: 'if (!this.#overwrites.isOurs(trustDomain, held.get(trustDomain)))',
    replace: '',
  },
  {
    does: 'reads its own bundle twice at a time',
    file: 'src/broker/gather-spire.ts',
    find: 'return this.#ownReads.run(() => this.#readOwnBundle(signal));',
    replace: 'return this.#readOwnBundle(signal);',
  },
  {
    does: 'takes what SPIRE lists during its own write for somebody else’s change',
    file: 'src/broker/exclusive.ts',
    find: 'const result = this.#last.then(task, task);',
    replace: 'const result = task();',
  },
  {
    does: 'activates an authority that a peer does not hold',
    file: 'src/rotation/rotation-waits.ts',
    find: 'if (missing.length === 0) return undefined;',
    replace: 'if (missing.length >= 0) return undefined;',
  },
  {
    does: 'gives a peer that is not observed no time to fetch a new authority',
    file: 'src/rotation/rotation-waits.ts',
    find: 'unobserved.filter(({ safeAt }) => safeAt > now)',
    replace: 'unobserved.filter(({ safeAt }) => safeAt.getTime() > Infinity)',
  },
  {
    does: 'rotates without a peer whose declaration cannot be read',
    file: 'src/broker/rotation-status.ts',
    find: "if (incompleteBecause === undefined || managed.state !== 'Known') return declared;",
    replace: 'return declared;',
  },
  {
    does: 'prepares anew at once when SPIRE does not answer',
    file: 'src/rotation/next-rotation-step.ts',
    find: '(askedAt === undefined || askedAt < record.askedAt)',
    replace: 'record.askedAt <= now',
  },
  {
    does: 'prepares anew at once when the process that did so is killed',
    file: 'src/rotation/next-rotation-step.ts',
    find: 'if (now >= until) return',
    replace: 'if (record.run !== run || now >= until) return',
  },
  {
    does: 'takes every JWT authority for held',
    file: 'src/rotation/readiness.ts',
    find: '? jwtKeyIds.includes(authority.id)',
    replace: '? jwtKeyIds.length > 0',
  },
  {
    does: 'taints what its own agents still use',
    file: 'src/rotation/next-rotation-step.ts',
    find: 'moved < agentExpiries.length)',
    replace: 'moved < 0)',
  },
];

// Has everything that the mesh asks of a broker a test by name? One row for each of the 25 requirements, in their order.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';

const TESTS = join(import.meta.dirname, '..');

/** A test's file below `test`, and its name as the source has it. */
type NamedTest = readonly [file: string, name: string];

interface Requirement {
  readonly number: number;
  readonly sentence: string;
  readonly tests: readonly NamedTest[];
}

const REQUIREMENTS: readonly Requirement[] = [
  {
    number: 1,
    sentence: 'A peer’s CA cannot make names of ours, unless the declaration says Flat.',
    tests: [
      [
        'stack/istio-broker.test.ts',
        'refuses a forged identity of a peer’s CA, while that peer’s own workloads are accepted',
      ],
      ['stack/istio-plane2.test.ts', 'refuses a leaf of the peer’s CA with ${what}'],
      ['stack/istio-plane2.test.ts', 'accepts a leaf of the peer’s CA with ${what}: the risk that Flat acknowledges'],
      [
        'stack/istio-plane1.test.ts',
        'refuse a leaf of one peer’s authority that claims the name of another, and accept its own',
      ],
    ],
  },
  {
    number: 2,
    sentence: 'No failed fetch and no restart changes a published root.',
    tests: [
      [
        'stack/istio-broker-guard.test.ts',
        'is as it was when the peer’s endpoint is down for a while, and when it is back',
      ],
      ['stack/istio-broker-guard.test.ts', 'is not written again when the broker is killed and starts anew'],
    ],
  },
  {
    number: 3,
    sentence: 'Nothing empty is published.',
    tests: [
      ['stack/istio-broker.test.ts', 'keeps what the mesh has when a peer answers ${what}, and says why: ${reason}'],
      ['istio/gateway-ca.test.ts', 'is never made empty, nor made at all, for a peer without roots or without trust'],
    ],
  },
  {
    number: 4,
    sentence: 'A rotation changes secrets alone.',
    tests: [
      [
        'stack/istio-broker.test.ts',
        'keeps a stream and answers every request through ${ROTATIONS} rotations of the peer, and writes no list',
      ],
      [
        'stack/istio-plane2.test.ts',
        'keeps a stream through ${ROTATIONS} rotations of the peer’s root, and its listeners as they are',
      ],
      ['istio/plan-mesh.test.ts', 'never touches the list when roots rotate'],
    ],
  },
  {
    number: 5,
    sentence: 'Changes of the list are collected, and wait for a window.',
    tests: [
      [
        'stack/istio-broker-revisions.test.ts',
        'have a ConfigMap each with the same bytes, and three peers came in one write of each list',
      ],
      [
        'istio/plan-mesh.test.ts',
        'keeps new names back while no window is open, and lets an urgent one take them along',
      ],
    ],
  },
  {
    number: 6,
    sentence: 'Roots come before they are used, and leave before their name.',
    tests: [
      ['istio/plan-mesh.test.ts', 'waits for SPIRE’s roots before it lists a name'],
      [
        'istio/plan-mesh.test.ts',
        'writes the roots of a name no later than the name, whatever was written a moment ago',
      ],
      [
        'stack/istio-broker-removal.test.ts',
        'loses its roots first and its name later when its declaration is removed',
      ],
      [
        'stack/istio-plane1.test.ts',
        'go on with an old root as long as its peer publishes it beside the new, and obey at once when it is withdrawn',
      ],
    ],
  },
  {
    number: 7,
    sentence: 'Only certificates that istiod and Envoy read are published, and a bad one harms no other peer.',
    tests: [
      ['istio/root-gate.test.ts', 'refuses ${what}'],
      ['stack/istio-broker.test.ts', 'goes on with a peer’s good root, and with other peers, beside ${what}'],
    ],
  },
  {
    number: 8,
    sentence: 'The same set is the same bytes.',
    tests: [
      [
        'istio/mesh-content.test.ts',
        'is the same whatever the order and however often a thing is said, and reads back as it was',
      ],
      ['broker/mesh.test.ts', 'writes nothing while nothing changes'],
    ],
  },
  {
    number: 9,
    sentence: 'Roots that collide with ours or another peer’s are refused.',
    tests: [['istio/plan-mesh.test.ts', 'keeps what it had when its new bundle has ${what}, and the others go on']],
  },
  {
    number: 10,
    sentence: 'Only our own object is written, and in it only what is ours.',
    tests: [
      ['stack/istio-objects.test.ts', 'owns the key of our ConfigMap, our label and our annotation, and nothing else'],
      [
        'istio/plan-mesh-property.test.ts',
        'never writes what may not be, and ends with what is declared, without another write',
      ],
      ['stack/istio-two-brokers.test.ts', 'let the first have it, and the other says whose it is and changes nothing'],
    ],
  },
  {
    number: 11,
    sentence: 'What istiod would make of it is worked out before it is written.',
    tests: [
      ['istio/mesh-merge.test.ts', 'the merge of shared and base mesh config'],
      ['stack/istio-merge-oracle.test.ts', 'comes out as ours for each vector'],
      ['istio/plan-mesh.test.ts', 'adds nothing where istiod’s own ConfigMap hides it, and still takes roots away'],
    ],
  },
  {
    number: 12,
    sentence: 'What the mesh lacks has a name.',
    tests: [['istio/preflight.test.ts', '${id} is ${status} when ${what}']],
  },
  {
    number: 13,
    sentence: 'A deleted ConfigMap is back within two seconds.',
    tests: [
      [
        'stack/istio-broker-guard.test.ts',
        'is back within ${RESTORED_WITHIN_MS} ms, byte for byte, when somebody deletes it',
      ],
    ],
  },
  {
    number: 14,
    sentence: 'SPIRE has a bundle before an entry federates with it, and longer.',
    tests: [
      [
        'stack/istio-plane1.test.ts',
        'lose no request while another peer comes and goes, whose bundle SPIRE has before any entry names it, and longer',
      ],
      [
        'federation/plan.test.ts',
        'records a new peer, stores its bundle, then links entries: SPIRE refuses an entry that names an unknown bundle',
      ],
      [
        'broker/broker.test.ts',
        'takes a removed peer away: links first, then the bundle, others untouched (rules 8, 10)',
      ],
    ],
  },
  {
    number: 15,
    sentence: 'A peer is accepted only after it was read back.',
    tests: [
      [
        'stack/istio-broker.test.ts',
        'lets it in once the peer is declared, and says so after istiod told that it uses it',
      ],
      ['broker/mesh.test.ts', 'believes that workloads of SPIRE accept a peer only when the agent serves its roots'],
      ['cli/observe-mesh.test.ts', 'goes on while a peer that is accepted waits for its next root'],
    ],
  },
  {
    number: 16,
    sentence: 'Roots are not written more often than the interval says.',
    tests: [['istio/plan-mesh.test.ts', 'makes no more than two writes of fifty rotations in a minute']],
  },
  {
    number: 17,
    sentence: 'What is too much is refused to the new peer alone.',
    tests: [
      ['istio/plan-mesh.test.ts', 'is refused, and those before it stay, when there would be more than 300 roots'],
      ['istio/plan-mesh.test.ts', 'refuses names of CAs that would fill the handshake, and keeps those before them'],
    ],
  },
  {
    number: 18,
    sentence: 'Who writes our object is named, and after some times left to it.',
    tests: [
      [
        'stack/istio-broker-guard.test.ts',
        'is taken back from another manager, and after three times left alone with a condition that names it',
      ],
      [
        'stack/istio-broker-patch-base.test.ts',
        'is patched again when helm reverts it, three times, and then left alone with a condition that says so',
      ],
    ],
  },
  {
    number: 19,
    sentence: 'Names that do not go are refused with the alternative.',
    tests: [
      [
        'stack/istio-broker.test.ts',
        'refuses a peer whose name cannot be constrained, says what to choose, and keeps the others',
      ],
      ['istio/plan-mesh.test.ts', 'is refused while its name is an alias of ours'],
    ],
  },
  {
    number: 20,
    sentence: 'Policies that would admit the peer’s same-named identities are found before it comes.',
    tests: [
      ['istio/lint.test.ts', 'keeps a peer out under strict alone, and there also when something could not be read'],
    ],
  },
  {
    number: 21,
    sentence: 'Gateways have a CA object for each peer, as long as they name it.',
    tests: [
      ['stack/istio-broker-edge.test.ts', 'are there before the gateway names them'],
      [
        'stack/istio-broker-edge.test.ts',
        'stay while a Gateway names them, though their peers are removed, and let nobody in any more',
      ],
      ['stack/istio-broker-edge.test.ts', 'go when no Gateway names them any more'],
      [
        'kubernetes/mesh-survey.test.ts',
        'reads what CAs the listeners of a ${sets.kind} have, beside their certificates too',
      ],
    ],
  },
  {
    number: 22,
    sentence: 'Every revision of istiod is served and judged by itself.',
    tests: [
      ['stack/istio-broker-revisions.test.ts', 'are each restored by themselves'],
      [
        'stack/istio-broker-canary.test.ts',
        'has a new peer before the others, and the condition says what these wait for',
      ],
      ['stack/istio-broker-canary.test.ts', 'keeps a root from the others while its istiod does not use it'],
      [
        'stack/istio-broker-revisions.test.ts',
        'lose the ConfigMap of one whose istiod is gone, after a while and no other, and get it back with the istiod',
      ],
      ['istio/vanished-revisions.test.ts', 'does not count as gone when ${what}'],
      ['istio/preflight.test.ts', 'judges each revision of istiod by itself'],
    ],
  },
  {
    number: 23,
    sentence: 'Trust can end at once, and the status says what lives on.',
    tests: [
      [
        'stack/istio-broker-removal.test.ts',
        'loses its roots at once when trust is revoked; open connections live on, and the status says so',
      ],
    ],
  },
  {
    number: 24,
    sentence: 'With what is written istiod starts.',
    tests: [
      ['istio/root-gate.test.ts', 'agrees with the simulation of istiod about what keeps it from starting'],
      [
        'stack/istio-roots-oracle.test.ts',
        'reads what is written as ${form} of ${MUTATIONS} mutated roots (again with FUZZ_SEED=${SEED})',
      ],
      [
        'stack/istio-plane2.test.ts',
        'hears the same from an istiod that starts anew, and so does a sidecar that comes after',
      ],
    ],
  },
  {
    number: 25,
    sentence: 'No certificate and no token is in the log.',
    tests: [['stack/istio-broker.test.ts', 'writes no PEM and no token into its log']],
  },
];

describe('the requirements of a mesh', () => {
  it('are 25, and each has a test', () => {
    assert.deepEqual(
      REQUIREMENTS.map(({ number }) => number),
      Array.from({ length: 25 }, (_, index) => index + 1),
    );
    for (const { number, tests } of REQUIREMENTS) assert.notEqual(tests.length, 0, `number ${number}`);
  });

  for (const { number, sentence, tests } of REQUIREMENTS) {
    it(`${number}. ${sentence}`, () => {
      for (const [file, name] of tests) {
        const source = readFileSync(join(TESTS, file), 'utf8');
        const named = ['it', 'describe'].flatMap((call) =>
          ["'", '`'].map((quote) => `${call}(${quote}${name}${quote}`),
        );
        const isThere = named.some((text) => source.includes(text));
        assert.ok(isThere, `${file} has no test named "${name}"`);
      }
    });
  }
});
